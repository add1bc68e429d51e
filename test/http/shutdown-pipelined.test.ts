import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import type { Counted } from '../../src/auth/counters.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { head, patchHead, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** Resolves in the same turn of the event loop, in which nothing is read from sockets. */
async function inThisTurn(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise<void>((resolve) => process.nextTick(resolve));
}

test('a request that was sent before a shutdown is served behind one whose answer is sent before it is read', async () => {
  let refuse = (_: Counted) => {};
  const count = vi.fn(() => new Promise<Counted>((resolve) => (refuse = resolve)));
  const { app, origin } = await openAnotherServer(world, { counters: { count } });
  const agent = await newSubject(world);
  const key = await world.limitedKey(agent.companyId, { perMinute: 1 });
  await RawSocket.use(origin, async (socket) => {
    const begun = once(app.server, 'request');
    socket.write(`${patchHead({ id: agent.id, key }, 'Content-Length: 2')}{}`);
    await begun;
    await vi.waitUntil(() => count.mock.calls.length > 0, { timeout: 60_000, interval: 5 });
    socket.write(head('GET /health/live HTTP/1.1', 'Host: api'));
    const closed = app.close();
    await inThisTurn(() => app.draining());
    const full = { name: 'minute', limit: 1, used: 1, endsIn: 60_000, endsAt: Date.now() + 60_000 } as const;
    refuse({ isCounted: false, counts: [full] });
    const [refusal, live, ...more] = await socket.untilClosed();
    if (!refusal) throw new Error('no answer');
    expectProblem(refusal, { code: 'RATE_LIMITED', instance: `/agents/${agent.id}` });
    expect(live).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(more).toEqual([]);
    expect(socket.ending).toBe('closed');
    await closed;
  });
});

import type { IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test, vi } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { untilWaiting, whileAgentLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { chunk, head, patchHead, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });
const agent = await newSubject(world);

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** A server, and weak references to the requests that have arrived. */
async function observed() {
  const { app, origin } = await openAnotherServer(world);
  const requests: WeakRef<IncomingMessage>[] = [];
  app.server.on('request', (request) => requests.push(new WeakRef(request)));
  return { origin, requests };
}

async function untilCollected(requests: readonly WeakRef<IncomingMessage>[]): Promise<void> {
  const isKept = () => requests.some((request) => request.deref() !== undefined);
  await vi.waitUntil(
    async () => {
      // What a WeakRef returned lives to the end of the turn.
      await setImmediate();
      collectGarbage();
      return !isKept();
    },
    { timeout: 10_000, interval: 20 },
  );
}

test.each([
  ['read whole', () => `${patchHead(agent, 'Content-Length: 2')}{}`, '', 200],
  ['without a body', () => head('GET /health/live HTTP/1.1', 'Host: api'), '', 200],
  [
    'whose body arrives behind its refusal',
    () => patchHead({ ...agent, key: 'wrong' }, 'Content-Length: 2'),
    '{}',
    401,
  ],
] as const)('an idle connection keeps nothing in memory of a request %s', async (_, bytes, rest, status) => {
  const { origin, requests } = await observed();
  await RawSocket.use(origin, async (socket) => {
    socket.write(bytes());
    expect(await socket.answer()).toMatchObject({ status });
    socket.write(rest);
    await untilCollected(requests);
    expect(requests).toHaveLength(1);
    expect(socket.ending).toBe('open');
  });
});

test('trailers of a waiting request are not kept in memory', async () => {
  const { app, origin } = await openAnotherServer(world);
  const requests: IncomingMessage[] = [];
  app.server.on('request', (request) => requests.push(request));
  const trailers = 'aaa:bbb\r\n'.repeat(900);
  const body = JSON.stringify({ duration: 45 });
  await whileAgentLocked(world, agent.id, (release) =>
    RawSocket.use(origin, async (socket) => {
      const patch = `${patchHead(agent, 'Transfer-Encoding: chunked')}${chunk(body)}0\r\n${trailers}\r\n`;
      socket.write(patch.repeat(2));
      await untilWaiting(world);
      const haveArrived = () => requests.length === 2 && requests.every(({ complete }) => complete);
      await vi.waitUntil(haveArrived, { timeout: 60_000 });
      expect(requests.map(({ rawTrailers }) => rawTrailers)).toEqual([[], []]);
      expect(requests.map(({ trailers: read }) => read)).toEqual([{}, {}]);
      await release();
      expect(await socket.answer(1)).toMatchObject({ status: 200, body: { duration: 45 } });
    }),
  );
});

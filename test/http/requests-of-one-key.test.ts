import { expect, onTestFinished, test, vi } from 'vitest';
import { whileLocked } from '../support/locks.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const connections = 256;
const perMinute = 300;
const world = await openWorld({ docs: false, quotas: { perMinute } });

/** The number of answers with each status. */
function counted(sockets: readonly RawSocket[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of sockets.flatMap(({ answers }) => answers)) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** Sends a PATCH on each connection and waits for the answers, `times` times. */
async function patchOnAll(sockets: readonly RawSocket[], key: string, id: string, times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    for (const [place, socket] of sockets.entries()) {
      const body = JSON.stringify({ metadata: { count: time * connections + place } });
      const lines = [`PATCH /agents/${id} HTTP/1.1`, 'Host: api', `Authorization: Bearer ${key}`];
      socket.write(head(...lines, 'Content-Type: application/json', `Content-Length: ${body.length}`) + body);
    }
    await Promise.all(sockets.map((socket) => socket.answer(time)));
  }
}

const versionOf = async (id: string) =>
  (await world.sql.query('SELECT version FROM agent WHERE id = $1', [id])).rows[0].version;

test('on 256 connections of one key exactly the PATCHes within its rate limit are written and the others are 429', async () => {
  // All requests come within one minute, however long they take. Fake timers would not do: `vi.waitUntil` advances them.
  const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
  onTestFinished(() => clock.mockRestore());
  const company = await world.company();
  const { id } = await world.agent(company.id);
  await RawSocket.useMany(world.origin, connections, async (sockets) => {
    await patchOnAll(sockets, company.key, id, 2);
    expect(counted(sockets)).toEqual({ 200: perMinute, 429: 2 * connections - perMinute });
  });
  expect(await versionOf(id)).toBe(1 + perMinute);
});

test('on 256 connections of one key within its rate limit every PATCH is written, 64 at a time', async () => {
  const company = await world.company();
  const key = await world.limitedKey(company.id, { perMinute: 100_000 });
  const { id } = await world.agent(company.id);
  await RawSocket.useMany(world.origin, connections, async (sockets) => {
    await patchOnAll(sockets, key, id, 2);
    expect(counted(sockets)).toEqual({ 200: 2 * connections });
  });
  expect(await versionOf(id)).toBe(1 + 2 * connections);
});

test('of 256 concurrent history requests of one key 2 run, 50 wait and 204 are 503 at once with Retry-After; other keys are served', async () => {
  const [company, other] = [await world.company(), await world.company()];
  const [{ id }, { id: otherId }] = [await world.agent(company.id), await world.agent(other.id)];
  await RawSocket.useMany(world.origin, connections, async (sockets) => {
    await whileLocked(world, 'LOCK TABLE agent_version IN ACCESS EXCLUSIVE MODE', [], async (release) => {
      const request = head(`GET /agents/${id}/versions HTTP/1.1`, 'Host: api', `Authorization: Bearer ${company.key}`);
      for (const socket of sockets) socket.write(request);
      const refused = () => sockets.flatMap(({ answers }) => answers);
      await vi.waitUntil(() => refused().length >= connections - 52, { timeout: 60_000, interval: 10 });
      expect((await world.call(other.key, `GET /agents/${otherId}`)).status).toBe(200);
      for (const answer of refused()) expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
      await release();
    });
    await Promise.all(sockets.map((socket) => socket.answer()));
    expect(counted(sockets)).toEqual({ 200: 52, 503: connections - 52 });
  });
});

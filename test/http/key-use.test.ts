import { expect, onTestFinished, test, vi } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { type Answer, send } from '../support/http.ts';
import { untilWaiting, whileLocked } from '../support/locks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const use = (key: string, { call } = callsOf(world.origin)): Promise<Answer> => call(key, 'GET /agents');

async function lastUsed(keyId: string): Promise<Date | null> {
  const { rows } = await world.sql.query('SELECT last_used_at AS at FROM api_key WHERE id = $1', [keyId]);
  return rows[0].at;
}

/** The time of the last use, as soon as it is written. */
const untilUsed = (keyId: string) => vi.waitUntil(() => lastUsed(keyId), { timeout: 60_000, interval: 10 });

const failures = () => world.logLines.filter((line) => line.includes('the use of keys was not written'));

/** Uses are written in order: once that of a new key is written, so are all before it. */
async function untilAllAreWritten(useIt = use): Promise<void> {
  const { key, keyId } = await world.company();
  await useIt(key);
  await untilUsed(keyId);
}

test('the first use of a key sets its lastUsedAt and no other column', async () => {
  const { id, key, keyId } = await world.company();
  const row = async () => (await world.sql.query('SELECT * FROM api_key WHERE id = $1', [keyId])).rows[0];
  const before = await row();
  expect(await world.keys.list({ companyId: id, integrationId: null })).toMatchObject([{ lastUsedAt: null }]);
  expect((await use(key)).status).toBe(200);
  const at = await untilUsed(keyId);
  expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(30_000);
  expect(await row()).toEqual({ ...before, last_used_at: at });
  expect(await world.keys.list({ companyId: id, integrationId: null })).toMatchObject([{ id: keyId, lastUsedAt: at }]);
});

test('the use of a key is written once a minute', async () => {
  const start = performance.now();
  // Fake timers would not do: `vi.waitUntil` advances them.
  const clock = vi.spyOn(performance, 'now').mockReturnValue(start);
  onTestFinished(() => clock.mockRestore());
  const { origin } = await openAnotherServer(world);
  const { key, keyId } = await world.company();
  const useHere = (bearer: string) =>
    send(origin, { method: 'GET', path: '/agents', headers: { authorization: `Bearer ${bearer}` } });
  await useHere(key);
  await untilUsed(keyId);
  await world.sql.query('UPDATE api_key SET last_used_at = NULL WHERE id = $1', [keyId]);
  await Promise.all(Array.from({ length: 20 }, () => useHere(key)));
  clock.mockReturnValue(start + 59_000);
  await useHere(key);
  await untilAllAreWritten(useHere);
  expect(await lastUsed(keyId)).toBeNull();
  clock.mockReturnValue(start + 60_000);
  await useHere(key);
  await untilUsed(keyId);
});

test('a key that is refused for its state or the caller’s address does not count as used', async () => {
  const { id, key, keyId } = await world.company();
  const elsewhere = await world.keyFrom(id, '192.0.2.1');
  await world.keys.suspend(keyId);
  expect((await use(key)).status).toBe(401);
  expect((await use(elsewhere)).status).toBe(403);
  await untilAllAreWritten();
  const keys = await world.keys.list({ companyId: id, integrationId: null });
  expect(keys.map(({ lastUsedAt }) => lastUsedAt)).toEqual([null, null]);
});

test('a key that is refused for its scope or its company counts as used', async () => {
  const { id } = await world.company();
  const [reader, ats] = [await world.keyWith(id, 'read:webhooks'), await world.ats()];
  expect([(await use(reader)).status, (await use(ats.key)).status]).toEqual([403, 400]);
  const keys = await world.keys.list({ companyId: id, integrationId: null });
  const [{ id: readerId = '' } = {}] = keys.filter(({ start }) => reader.startsWith(start));
  for (const keyId of [readerId, ats.keyId]) await untilUsed(keyId);
});

test('a request is answered 200 although its use cannot be written, and the log says so', async () => {
  const { key, keyId } = await world.company();
  const { origin } = await openAnotherServer(world, { limits: 'production' });
  const before = failures().length;
  // SHARE mode allows reads and blocks writes.
  const answer = await whileLocked(world, 'LOCK TABLE api_key IN SHARE MODE', [], async () => {
    const answered = await use(key, callsOf(origin));
    await vi.waitUntil(() => failures().length > before, { timeout: 60_000 });
    return answered;
  });
  expect(answer.status).toBe(200);
  expect(JSON.parse(failures().at(-1) ?? '')).toMatchObject({ level: 40, err: { sqlState: '55P03' } });
  expect(await lastUsed(keyId)).toBeNull();
});

test('a locked row of a key delays the uses of no other key', async () => {
  const [held, other] = await Promise.all([world.company(), world.company()]);
  const before = failures();
  await whileLocked(world, 'SELECT FROM api_key WHERE id = $1 FOR UPDATE', [held.keyId], async () => {
    expect((await use(held.key)).status).toBe(200);
    expect((await use(other.key)).status).toBe(200);
    await untilUsed(other.keyId);
    expect(await lastUsed(held.keyId)).toBeNull();
  });
  expect(failures()).toEqual(before);
});

test('a server that stops writes the uses that it has collected', async () => {
  const { key, keyId } = await world.company();
  const { app } = await openAnotherServer(world);
  const headers = { authorization: `Bearer ${key}` };
  await whileLocked(world, 'LOCK TABLE api_key IN SHARE MODE', [], async (release) => {
    expect((await app.inject({ method: 'GET', url: '/agents', headers })).statusCode).toBe(200);
    await untilWaiting(world);
    let isClosed = false;
    const closed = app.close().then(() => {
      isClosed = true;
    });
    // If close() did not wait for the use, it would be done by now.
    await send(world.origin, { method: 'GET', path: '/health/ready' });
    expect(isClosed).toBe(false);
    await release();
    await closed;
  });
  expect(await lastUsed(keyId)).not.toBeNull();
});

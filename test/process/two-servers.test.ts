import { setTimeout } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { type Call, type Client, openClient, startUnlimited } from '../support/kept-client.ts';
import { build } from '../support/process.ts';
import { statementLimit } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

/** The number of changes by each client, and of clients. */
const [changesEach, clientCount] = [100, 32];

/**
 * Sends a change until it gets its answer. On a machine that stands still for longer than a time limit, this change and those
 * behind it get a 503, which says that it may be stored: it is sent again a second later, with its idempotency key, which may
 * still be in use.
 * @returns its status, how many times it was repeated, and the milliseconds of its slowest answer
 */
async function answered(send: Client, origin: string, call: Call) {
  for (let repeats = 0, slowest = 0; ; repeats += 1) {
    const start = performance.now();
    const { status, headers } = await send(origin, call);
    slowest = Math.max(slowest, performance.now() - start);
    if (status !== 503 && !(repeats > 0 && status === 409)) return { status, repeats, slowest };
    await setTimeout(1_000 * Number(headers['retry-after'] ?? 0));
  }
}

test('two processes that get 3,200 changes of the same 50 agents answer all with 200, lose none, and leave no gap in the versions', async () => {
  const company = await world.company();
  const ids = (await Promise.all(Array.from({ length: 50 }, () => world.agent(company.id)))).map(({ id }) => id);
  const servers = await Promise.all([startUnlimited(world), startUnlimited(world)]);
  const statuses = new Map<number, number>();
  const changes = new Map<string, number>(ids.map((id) => [id, 0]));

  // Each client counts up in a metadata key of its own in every agent.
  const clients = Array.from({ length: clientCount }, (_, at) => `client${at}`);
  const last = new Map<string, number>();
  let [repeated, slowest] = [0, 0];
  await Promise.all(
    clients.map(async (name, at) => {
      const send = openClient(company.key);
      for (let count = 1; count <= changesEach; count += 1) {
        const id = ids[(count * 7 + at * 3) % ids.length] ?? '';
        const headers = { 'idempotency-key': `${name}-${count}` };
        const call = { line: `PATCH /agents/${id}`, body: { metadata: { [name]: count } }, headers };
        const change = await answered(send, servers[at % 2]?.origin ?? '', call);
        if (change.repeats > 0) repeated += 1;
        slowest = Math.max(slowest, change.slowest);
        statuses.set(change.status, (statuses.get(change.status) ?? 0) + 1);
        changes.set(id, (changes.get(id) ?? 0) + 1);
        last.set(`${id} ${name}`, count);
      }
    }),
  );

  expect([...statuses.keys()]).toEqual([200]);
  // Each time that the machine stands still, one change of each client is late.
  expect(repeated).toBeLessThanOrEqual(slowest < statementLimit ? 0 : 4 * clientCount);
  for (const id of ids) {
    const { version, metadata } = JSON.parse(await world.row(id));
    expect(version).toBe(1 + (changes.get(id) ?? 0));
    const expected = clients.flatMap((name) => {
      const count = last.get(`${id} ${name}`);
      return count === undefined ? [] : [[name, count]];
    });
    expect(metadata).toEqual(Object.fromEntries(expected));
    expect((await world.history(id)).map((entry) => entry.version)).toEqual(
      Array.from({ length: version }, (_, at) => at + 1),
    );
  }
  // Sessions report what they counted at their end.
  for (const { server } of servers) {
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
  }
  const sessions = 'SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = $1';
  const serverRole = new URL(world.databaseUrl).username;
  await expect.poll(async () => (await world.sql.query(sessions, [serverRole])).rowCount).toBe(0);
  const { rows } = await world.sql.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
  expect(rows).toEqual([{ deadlocks: '0' }]);
});

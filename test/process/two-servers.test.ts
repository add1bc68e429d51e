import { setTimeout } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { type Call, type Client, openClient, startUnlimited } from '../support/kept-client.ts';
import { build } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

/** The number of changes by each client, and of clients. */
const [changesEach, clientCount] = [100, 32];

/**
 * Sends a change until it gets its answer. On a machine that stands still for longer than a time limit, this change and those
 * behind it get a 503, which says that it may be stored: it is sent again a second later, with its idempotency key, which may
 * still be in use.
 * @returns its status, and how many times it was repeated
 */
async function answered(send: Client, origin: string, call: Call): Promise<{ status: number; repeats: number }> {
  for (let repeats = 0; ; repeats += 1) {
    const { status, headers } = await send(origin, call);
    if (status !== 503 && !(repeats > 0 && status === 409)) return { status, repeats };
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
  let repeated = 0;
  await Promise.all(
    clients.map(async (name, at) => {
      const send = openClient(company.key);
      for (let count = 1; count <= changesEach; count += 1) {
        const id = ids[(count * 7 + at * 3) % ids.length] ?? '';
        const headers = { 'idempotency-key': `${name}-${count}` };
        const call = { line: `PATCH /agents/${id}`, body: { metadata: { [name]: count } }, headers };
        const { status, repeats } = await answered(send, servers[at % 2]?.origin ?? '', call);
        if (repeats > 0) repeated += 1;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        changes.set(id, (changes.get(id) ?? 0) + 1);
        last.set(`${id} ${name}`, count);
      }
    }),
  );

  expect([...statuses.keys()]).toEqual([200]);
  // A machine that stands still delays one change of each client.
  expect(repeated).toBeLessThanOrEqual(4 * clientCount);
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
  const { rows } = await world.sql.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
  expect(rows).toEqual([{ deadlocks: '0' }]);
});

import { beforeAll, expect, test } from 'vitest';
import { openClient, startUnlimited } from '../support/kept-client.ts';
import { build } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

/** The number of changes by each client. */
const changesEach = 100;

test('two processes that get 3,200 changes of the same 50 agents answer all with 200, lose none, and leave no gap in the versions', async () => {
  const company = await world.company();
  const ids = (await Promise.all(Array.from({ length: 50 }, () => world.agent(company.id)))).map(({ id }) => id);
  const servers = await Promise.all([startUnlimited(world), startUnlimited(world)]);
  const statuses = new Map<number, number>();
  const changes = new Map<string, number>(ids.map((id) => [id, 0]));

  // Each client counts up in a metadata key of its own in every agent.
  const clients = Array.from({ length: 32 }, (_, at) => `client${at}`);
  const last = new Map<string, number>();
  await Promise.all(
    clients.map(async (name, at) => {
      const send = openClient(company.key);
      for (let count = 1; count <= changesEach; count += 1) {
        const id = ids[(count * 7 + at * 3) % ids.length] ?? '';
        const call = { line: `PATCH /agents/${id}`, body: { metadata: { [name]: count } } };
        const { status } = await send(servers[at % 2]?.origin ?? '', call);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        changes.set(id, (changes.get(id) ?? 0) + 1);
        last.set(`${id} ${name}`, count);
      }
    }),
  );

  expect([...statuses.keys()]).toEqual([200]);
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
  const { rows } = await world.sql.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
  expect(rows).toEqual([{ deadlocks: '0' }]);
});

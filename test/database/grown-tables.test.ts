import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { findStatement } from '../../src/agents/write/find.statements.ts';
import { changeSql } from '../../src/agents/write/statements.ts';
import { blocksOf } from '../support/blocks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const tables = ['agent', 'idempotency_key', 'company_phone_number'];
const rows = 200_000;
const batch = 16;
const key = (place: number) => `k${place}`;

test('a batch of changes with idempotency keys reads a few blocks each, with plans made before the tables grew', async () => {
  const { id, keyId, companyId } = await newSubject(world);
  const owner = await world.sql.connect();
  onTestFinished(() => owner.release(true));
  // Autovacuum would update the statistics, and the tables would be planned again.
  for (const table of tables) await owner.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
  const database = openLimited('patient', world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const find = (ids: readonly string[], numberIds: readonly string[]) => {
    const rest = (place: number) => ({ by: { keyId }, idempotency: { key: key(place) } });
    const wanted = ids.map((agent, at) => ({ id: agent, phoneNumberId: numberIds[at] ?? null, ...rest(at) }));
    return database.query(findStatement(wanted));
  };
  const change = (ids: readonly string[], updated: Date) =>
    database.query({
      text: changeSql,
      values: [ids, JSON.stringify(ids.map((agent) => stepOf(agent, updated, companyId, keyId))), null],
    });
  const none = Array.from({ length: batch }, () => randomUUID());
  // PostgreSQL keeps a generic plan from the sixth execution on.
  for (let count = 0; count < 7; count += 1) {
    await find(none, none);
    await change(none, new Date());
  }

  // Without triggers, which check every row and take most of the time.
  await owner.query('SET session_replication_role = replica');
  const numbers = await owner.query(
    `INSERT INTO company_phone_number (company_id, number, status)
     SELECT $1, '+49' || (1000000 + n), 'ACTIVE' FROM generate_series(1, ${rows}) n RETURNING id`,
    [companyId],
  );
  await owner.query(
    `INSERT INTO agent (company_id, name, type, focus, language, duration)
     SELECT $1, 'Agent ' || n, 'ONLINE', 'GENERIC', 'EN', 30 FROM generate_series(1, ${rows}) n`,
    [companyId],
  );
  await owner.query(
    `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields)
     SELECT id, 1, created_at, '{"name": "Agent"}', '{name}' FROM agent WHERE id <> $1`,
    [id],
  );
  await owner.query(
    `INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at)
     SELECT $1, 'k' || n, repeat('f', 43), $2, '{"name": "Agent"}', '{}', now() FROM generate_series(0, ${rows - 1}) n`,
    [keyId, id],
  );
  const agents = await owner.query('SELECT id, updated_at FROM agent WHERE id <> $1 LIMIT $2', [id, batch]);
  // Reports what the inserts read before the measurement begins.
  await owner.query('SELECT pg_stat_force_next_flush()');

  const ids = agents.rows.map((row) => row.id);
  const numberIds = numbers.rows.slice(0, batch).map((row) => row.id);
  const blocks = async (table: string, task: () => Promise<unknown[]>) => {
    let done: unknown[] = [];
    const count = await blocksOf(database, world.sql, table, async () => {
      done = await task();
    });
    return { done, each: count / batch };
  };
  for (const table of tables) {
    const { done, each } = await blocks(table, () => find(ids, numberIds));
    expect(done).toEqual(ids.map(() => ({ json: expect.stringMatching(/"numberIsActive" : true.*"fingerprint"/s) })));
    expect(each, table).toBeLessThan(12);
  }
  const { done, each } = await blocks('agent', () => change(ids, agents.rows[0].updated_at));
  expect(done).toHaveLength(batch);
  expect(each).toBeLessThan(30);
});

/** A change of the duration of an agent at version 1. */
function stepOf(id: string, updated: Date, company: string, keyId: string) {
  const content = {
    name: 'Agent',
    type: 'ONLINE',
    focus: 'GENERIC',
    language: 'EN',
    duration: 31,
    questions: [],
    metadata: {},
  };
  const author = { key: keyId, request: 'r', address: '192.0.2.1', restored: null };
  return { id, company, read: 1, updated, step: 1, steps: 1, content, changed: ['duration'], touched: [], ...author };
}

import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { findSql } from '../../src/agents/write/find.statements.ts';
import { openDatabase } from '../../src/database/client.ts';
import { blocksOf } from '../support/blocks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const rows = 40_000;
const batch = 16;

test('a batch of changes with keys finds its rows by index alone, with plans made before the tables grew', async () => {
  const { id, keyId, companyId } = await newSubject(world);
  const owner = await world.sql.connect();
  onTestFinished(() => owner.release());
  // Counted by autovacuum, the tables would be planned anew.
  for (const table of ['agent', 'idempotency_key', 'company_phone_number'])
    await owner.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
  const database = openDatabase({ url: world.databaseUrl, connections: 1 });
  onTestFinished(() => database.close());
  const keys = Array.from({ length: batch }, (_, place) => `k${place}`);
  const find = (ids: readonly string[], numbers: readonly string[]) =>
    database.query(findSql, [ids, numbers, ids.map(() => keyId), keys]);
  const none = keys.map(() => randomUUID());
  // A statement keeps its plan from the sixth execution on.
  for (let count = 0; count < 7; count += 1) await find(none, none);

  const { rows: numbers } = await owner.query(
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
    `INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at)
     SELECT $1, 'k' || n, repeat('f', 43), $2, '{"name": "Agent"}', '{}', now() FROM generate_series(0, ${rows - 1}) n`,
    [keyId, id],
  );
  const { rows: agents } = await owner.query('SELECT id FROM agent WHERE id <> $1 LIMIT $2', [id, batch]);
  // What the inserts read is counted before the measurements, not in them.
  await owner.query('SELECT pg_stat_force_next_flush()');

  const wanted = [agents, numbers.slice(0, batch)].map((found) => found.map((row) => row.id));
  const [ids = [], numberIds = []] = wanted;
  for (const table of ['agent', 'idempotency_key', 'company_phone_number']) {
    let found: unknown[] = [];
    const blocks = await blocksOf(database, world.sql, table, async () => {
      found = await find(ids, numberIds);
    });
    expect(found).toHaveLength(batch);
    for (const row of found) expect(row).toHaveProperty('found', expect.stringMatching(/"numberIsActive" : true/));
    expect(blocks, table).toBeLessThan(batch * 12);
  }
});

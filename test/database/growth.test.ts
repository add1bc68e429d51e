import { randomBytes } from 'node:crypto';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { agentVersionRepository } from '../../src/agents/history/repository.ts';
import { agentRepository } from '../../src/agents/repository.ts';
import { auditEntries } from '../../src/audit/repository.ts';
import { blocksOf } from '../support/blocks.ts';
import { connect } from '../support/connection.ts';
import { commandsIn } from '../support/docs.ts';
import { newSubject, type Subject } from '../support/patch-agent.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

/** PostgreSQL counts reads in blocks of 8 KB, which do not depend on the machine. */
const world = await openWorld();

const versions = 200_000;
const entries = 200_000;
const answers = 200_000;
const expired = 80_000;
let subject: Subject;
let rareKey: string;

beforeAll(async () => {
  subject = await newSubject(world);
  rareKey = (await world.newKey(subject.companyId)).id;
  const filler = await openFiller();
  // A history of a year: versions interleaved over all agents, by one key except for three entries.
  await filler.query(
    `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, key_id, request_id)
     SELECT CASE WHEN n % 10 = 0 THEN $1::uuid ELSE md5((n % 500)::text)::uuid END, n / 10 + 2,
            now() - interval '1 year' + n * interval '1 year' / ${versions}, '{"name": "Agent"}', '{name}',
            CASE WHEN n IN (500, 1000, 50000) THEN $3::uuid ELSE $2::uuid END, 'r'
       FROM generate_series(0, ${versions - 1}) n`,
    [subject.id, subject.keyId, rareKey],
  );
  await filler.query(`UPDATE agent SET version = ${versions / 10 + 1} WHERE id = $1`, [subject.id]);
  await filler.query(
    `INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at, created_at)
     SELECT $1, 'k' || n, repeat('f', 43), gen_random_uuid(), json_build_object('instructions', repeat('i', 300)), '{}', now(),
            now() - (4 - n * 5 / ${answers}) * interval '8 hours' FROM generate_series(0, ${answers - 1}) n`,
    [subject.keyId],
  );
  // A trail of a year, of one key and one company.
  await filler.query(
    `INSERT INTO audit_entry (created_at, action, acting_key_id, request_id, caller_address, company_id, details)
     SELECT now() - interval '1 year' + n * interval '1 year' / ${entries}, 'webhook.updated',
            $2, 'r', '192.0.2.1', $1, '{}'
       FROM generate_series(0, ${entries - 1}) n`,
    [subject.companyId, subject.keyId],
  );
  // Counted as changed before VACUUM, which ends the count; otherwise an autovacuum could read while a test counts.
  await filler.query('SELECT FROM pg_stat_force_next_flush()');
  for (const table of ['agent_version', 'audit_entry', 'idempotency_key'])
    await filler.query(`VACUUM (ANALYZE) ${table}`);
  await filler.end();
});

/** A connection for loads: without triggers, which check every row and take a sixth of the time. */
async function openFiller() {
  const filler = await connect(world.ownerUrl);
  // VACUUM would wait for a running autovacuum of the table.
  await filler.query('SET statement_timeout = 0; SET lock_timeout = 0; SET session_replication_role = replica');
  return filler;
}

/** A database with one connection, which reports its counts on request. */
function open(url: string) {
  const database = openLimited('patient', url, 1);
  onTestFinished(() => database.close());
  return database;
}

test('deleting 500 of 80,000 expired answers among 200,000 reads a few blocks each, and deletes the oldest', async () => {
  const database = open(world.databaseUrl);
  const agents = agentRepository(database);
  await agents.forgetAnswers();
  expect(await blocksOf(database, world.sql, 'idempotency_key', () => agents.forgetAnswers())).toBeLessThan(500 * 6);
  const { rows } = await world.sql.query(
    `SELECT count(*)::int AS left, count(*) FILTER (WHERE created_at <= now() - interval '24 hours')::int AS expired
       FROM idempotency_key`,
  );
  expect(rows).toEqual([{ left: answers - 1_000, expired: expired - 1_000 }]);
});

test('a page of the history reads under 60 blocks at any depth, and holds the right versions', async () => {
  const database = open(world.databaseUrl);
  const history = agentVersionRepository(database);
  const current = versions / 10 + 1;
  const page = (number: number) => history.entries(subject.id, current, { page: number, limit: 20 });
  await page(1);
  for (const number of [1, 25, 950]) {
    const first = current - (number - 1) * 20;
    const found = await page(number);
    expect(found.map(({ version }) => version)).toEqual(Array.from({ length: 20 }, (_, at) => first - at));
    expect(await blocksOf(database, world.sql, 'agent_version', () => page(number))).toBeLessThan(60);
  }
});

test('a page of a history with pruned versions ends with the oldest version that is left', async () => {
  const { id, key } = await newSubject(world);
  for (let duration = 1; duration <= 5; duration += 1) await world.patch(key, id, { duration });
  await world.sql.query('DELETE FROM agent_version WHERE agent_id = $1 AND version < 3', [id]);
  const history = agentVersionRepository(open(world.databaseUrl));
  const on = async (page: number) => (await history.entries(id, 6, { page, limit: 3 })).map(({ version }) => version);
  expect([await on(1), await on(2), await on(3)]).toEqual([[6, 5, 4], [3], []]);
});

test.for(['a key', 'a company', 'all'] as const)(
  'the newest entries of the audit trail are read without the whole trail or history: of %s',
  async (of) => {
    const filter = { 'a key': { key: subject.keyId }, 'a company': { company: subject.companyId }, all: {} }[of];
    const database = open(world.ownerUrl);
    const list = () => auditEntries(database, filter, 100);
    expect(await list()).toHaveLength(100);
    for (const table of ['agent_version', 'audit_entry']) {
      const { rows } = await world.sql.query('SELECT pg_relation_size($1)::int / 8192 AS blocks', [table]);
      expect(await blocksOf(database, world.sql, table, list), table).toBeLessThan(rows[0].blocks / 4);
    }
  },
);

test('the audit trail of a key includes older entries', async () => {
  const list = (limit: number) => auditEntries(open(world.ownerUrl), { key: rareKey }, limit);
  const { rows } = await world.sql.query(
    'SELECT array_agg(v.created_at ORDER BY v.created_at DESC) AS times FROM agent_version v WHERE v.key_id = $1',
    [rareKey],
  );
  const rare = await list(100);
  expect(rare.map(({ action, at }) => [action, at])).toEqual([
    ['key.created', expect.any(Date)],
    ...rows[0].times.map((at: Date) => ['agent.changed', at]),
  ]);
  expect(await list(2)).toEqual(rare.slice(0, 2));
});

test('the audit trail is listed whole if more entries are asked for than it has, the newest first', async () => {
  const whole = await auditEntries(open(world.ownerUrl), {}, 999_999);
  expect(whole.length).toBeGreaterThan(versions + entries);
  const times = whole.map(({ at }) => at.getTime());
  expect(times).toEqual(times.toSorted((one, other) => other - one));
});

test('a patch that does not change questions and instructions does not store them again', async () => {
  const questions = Array.from({ length: 20 }, () => randomBytes(900).toString('hex'));
  const instructions = [...randomBytes(2_000)].map((byte) => String.fromCodePoint(0x4e00 + byte)).join('');
  const { id, key } = await newSubject(world, { questions, instructions });
  const stored = async (): Promise<string> => {
    const { rows } = await world.sql.query(
      `SELECT pg_relation_size(reltoastrelid)::text AS bytes FROM pg_class WHERE oid = 'agent'::regclass`,
    );
    return rows[0].bytes;
  };
  const before = await stored();
  expect(Number(before)).toBeGreaterThan(20_000);
  for (let duration = 1; duration <= 20; duration += 1)
    await world.patch(key, id, { duration, metadata: { duration } });
  expect(await stored()).toBe(before);
});

test('changes of a tenth of 200,000 agents on full pages write to no index', async () => {
  const client = await openFiller();
  onTestFinished(() => client.end());
  await client.query(
    `INSERT INTO agent (company_id, name, type, focus, language, duration)
     SELECT $1, 'Agent ' || n, 'ONLINE', 'GENERIC', 'EN', 30 FROM generate_series(1, 200000) n`,
    [subject.companyId],
  );
  await client.query('SET session_replication_role = origin');
  const [look = ''] = commandsIn('docs/operate.md', 'What grows');
  const [, sizes = ''] = /--command="([^"]+)"/.exec(look) ?? [];
  // The page says 125.
  expect(Number((await client.query(sizes)).rows[0].index_bytes_each)).toBeLessThan(150);
  await client.query('BEGIN');
  await client.query(`UPDATE agent SET duration = 31 WHERE name LIKE 'Agent %5'`);
  // Counted by this session alone: the counts of others are reported up to ten seconds later.
  const { rows } = await client.query(
    `SELECT n_tup_upd::int AS updated, n_tup_hot_upd::int AS hot FROM pg_stat_xact_user_tables WHERE relname = 'agent'`,
  );
  expect(rows).toEqual([{ updated: 20_000, hot: 20_000 }]);
});

test('tables that grow are vacuumed long before a fifth of them is dead, and the history is frozen by its first vacuum', async () => {
  const { rows } = await world.sql.query(
    `SELECT relname AS name, reloptions AS options FROM pg_class WHERE relname = ANY($1) ORDER BY 1`,
    [['agent', 'agent_version', 'idempotency_key', 'webhook_delivery']],
  );
  const vacuumed = (scale: number, analyzed: number) => [
    `autovacuum_vacuum_scale_factor=${scale}`,
    `autovacuum_analyze_scale_factor=${analyzed}`,
  ];
  expect(rows).toEqual([
    { name: 'agent', options: ['fillfactor=85', ...vacuumed(0.05, 0.05)] },
    { name: 'agent_version', options: ['autovacuum_vacuum_insert_scale_factor=0.05', 'autovacuum_freeze_min_age=0'] },
    { name: 'idempotency_key', options: vacuumed(0.02, 0.05) },
    { name: 'webhook_delivery', options: vacuumed(0.02, 0.02) },
  ]);
});

import pg from 'pg';
import { expect, test } from 'vitest';
import { pageStatement } from '../../src/agents/statements.ts';
import type { Statement } from '../../src/database/statement.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** What EXPLAIN reports of one step of a plan. */
interface Step {
  readonly 'Node Type': string;
  readonly Alias?: string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Index Name'?: string;
  readonly 'Heap Fetches'?: number;
  readonly Plans?: readonly Step[];
}

const withAll = (step: Step): Step[] => [step, ...(step.Plans ?? []).flatMap(withAll)];

/** The steps that look for the agents of a company, in the plan of a prepared statement as requests run it. */
async function readingsOf(mode: string, { text, values }: Statement): Promise<Step[]> {
  const client = await world.sql.connect();
  try {
    await client.query(`SET plan_cache_mode = ${mode}`);
    await client.query(`PREPARE asked AS ${text}`);
    const given = values.map((value) => pg.escapeLiteral(String(value))).join(', ');
    const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked(${given})`);
    // PostgreSQL numbers the alias `a` where a statement has it twice.
    const looksFor = ({ Alias: alias = '', 'Relation Name': table }: Step) =>
      table === 'agent' && /^a(_\d+)?$/.test(alias);
    return withAll(rows[0]['QUERY PLAN'][0].Plan).filter(looksFor);
  } finally {
    client.release(true);
  }
}

/** Many agents of one company, every tenth of them deleted, and as many of other companies. */
async function manyAgents(companyId: string): Promise<void> {
  const other = await world.company();
  await world.sql.query(
    `INSERT INTO agent (company_id, name, type, focus, language, duration, created_at, deleted_at)
     SELECT CASE WHEN n % 2 = 0 THEN $1::uuid ELSE $2::uuid END, 'Agent ' || n, 'ONLINE', 'GENERIC', 'EN', 30,
            now() - n * interval '1 second', CASE WHEN n % 20 = 0 THEN now() END
       FROM generate_series(1, 4000) AS n`,
    [companyId, other.id],
  );
  // FREEZE waits for each page; otherwise one that the checkpointer is writing would be left out, and then read.
  await world.sql.query('VACUUM (ANALYZE, FREEZE) agent');
}

const modes = ['force_generic_plan', 'force_custom_plan'];

test('count and page of a list read the index of undeleted agents only, once each, whatever values the plan was made for', async () => {
  const { id } = await world.company();
  await manyAgents(id);
  const byIndex = { 'Node Type': 'Index Only Scan', 'Index Name': 'agent_living_idx', 'Heap Fetches': 0 };
  const once = { ...byIndex, 'Actual Loops': 1 };
  for (const mode of modes) {
    for (const page of [1, 86, 251]) {
      const readings = await readingsOf(mode, pageStatement(id, { page, limit: 20 }));
      const read = Math.min(page * 20, 1_800);
      expect(readings).toHaveLength(2);
      expect(readings).toContainEqual(expect.objectContaining({ ...once, 'Actual Rows': read }));
      expect(readings).toContainEqual(expect.objectContaining({ ...once, 'Actual Rows': 1_800 }));
    }
  }
});

test('a list with filters matches each agent of the company once, for its page and its total together', async () => {
  const { id } = await world.company();
  await manyAgents(id);
  const { rows: stored } = await world.sql.query('SELECT count(*)::int AS all FROM agent');
  for (const [name, found] of [
    ['nothing', 0],
    ['AGENT', 1_800],
  ] as const) {
    for (const mode of modes) {
      const [reading, ...others] = await readingsOf(mode, pageStatement(id, { page: 1, limit: 20 }, [['name', name]]));
      const { 'Actual Rows': kept = 0, 'Rows Removed by Filter': removed = 0 } = reading ?? {};
      expect([others, reading, kept]).toEqual([[], expect.objectContaining({ 'Actual Loops': 1 }), found]);
      // By the index of undeleted agents, or by a scan of the table.
      expect([1_800, stored[0].all]).toContain(kept + removed);
    }
  }
});

test('a page of a list with filters has the agents that match, in order, and their number, also behind the last page', async () => {
  const { id, key } = await world.company();
  await manyAgents(id);
  const { rows } = await world.sql.query<{ id: string }>(
    `SELECT id FROM agent WHERE company_id = $1 AND deleted_at IS NULL AND name LIKE '%7%'
      ORDER BY created_at DESC, id DESC`,
    [id],
  );
  const order = rows.map((row) => row.id);
  const limit = 30;
  const last = Math.ceil(order.length / limit);
  expect(last).toBeGreaterThan(2);
  for (const page of [1, 2, last, last + 1]) {
    const { data, pagination } = (await world.client(key).list({ name: '7', page, limit })).data;
    expect(data.map((agent) => agent.id)).toEqual(order.slice((page - 1) * limit, page * limit));
    const ends = { hasNextPage: page < last, hasPreviousPage: page > 1 };
    expect(pagination).toEqual({ total: order.length, page, limit, totalPages: last, ...ends });
  }
});

test('a change of an agent writes to no index: the new row version stays on its page', async () => {
  const { id: companyId } = await world.company();
  const { id } = await world.agent(companyId);
  const client = await world.sql.connect();
  try {
    await client.query('BEGIN');
    await client.query(
      `UPDATE agent SET name = 'Changed', type = 'UNDEFINED', focus = 'OUTREACH', questions = '["New?"]', language = 'DE',
              instructions = 'New', duration = 31, voice_id = 'EVA', cefr_level = 'A1', background_sound = 'OFF',
              metadata = '{"new":1}', version = version + 1, updated_at = updated_at + interval '1 second' WHERE id = $1`,
      [id],
    );
    const counts = `SELECT n_tup_upd::int AS updated, n_tup_hot_upd::int AS hot FROM pg_stat_xact_user_tables WHERE relname = 'agent'`;
    expect((await client.query(counts)).rows).toEqual([{ updated: 1, hot: 1 }]);
  } finally {
    client.release(true);
  }
});

test('the table agent has one index beside its primary key', async () => {
  const { rows } = await world.sql.query(
    `SELECT indexname AS name FROM pg_indexes WHERE tablename = 'agent' ORDER BY 1`,
  );
  expect(rows).toEqual([{ name: 'agent_living_idx' }, { name: 'agent_pkey' }]);
});

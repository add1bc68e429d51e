import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import pg from 'pg';
import type { Database } from '../../src/database/client.ts';
import { connect } from './connection.ts';

/** A statement that the server sent. */
export interface Sent {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** A database that records the statements of `query`. */
export function recording(database: Database) {
  const sent: Sent[] = [];
  const query: Database['query'] = (statement) => {
    sent.push({ sql: statement.text, parameters: statement.values });
    return database.query(statement);
  };
  return { sent, database: { ...database, query } };
}

/** How PostgreSQL ran a statement. */
interface Ran {
  /** The number of returned rows. */
  readonly rows: number;
  /** Fetched blocks of 8 KB of the tables and their indexes, triggers included. */
  readonly blocks: number;
  /** The scans, such as `Index Scan of agent`. */
  readonly scans: readonly string[];
}

/** A node of a plan; its `Plans` are nodes too. */
const nodeSchema = Type.Object({
  'Node Type': Type.String(),
  'Relation Name': Type.Optional(Type.String()),
  'Actual Rows': Type.Number(),
  Plans: Type.Optional(Type.Array(Type.Unknown())),
});
const explainedSchema = Type.Tuple([Type.Object({ Plan: nodeSchema })]);

/**
 * Runs a statement with the plan that the server's sessions have for it, on a connection that has its catalogs in memory,
 * and takes it back.
 * @param url in the role of the server
 */
export async function explain(url: string, { sql, parameters }: Sent): Promise<Ran> {
  const client = await connect(url);
  try {
    await client.query(`PREPARE explained AS ${sql}`);
    const execute = `EXECUTE explained (${parameters.map(literal).join(', ')})`;
    const run = async () => {
      await client.query('BEGIN');
      const before = await fetchedBy(client);
      // Not the buffers of the plan, whose sum lacks those of a CTE that writes and is not referred to.
      const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${execute}`);
      const blocks = (await fetchedBy(client)) - before;
      await client.query('ROLLBACK');
      const [{ Plan: plan }] = Value.Parse(explainedSchema, rows[0]['QUERY PLAN']);
      return { rows: plan['Actual Rows'], blocks, scans: [...new Set(scansIn(plan))].toSorted() };
    };
    await run();
    return await run();
  } finally {
    await client.end();
  }
}

/** Blocks of the public tables, their indexes and TOAST tables that this session has fetched and not reported yet. */
async function fetchedBy(client: pg.Client): Promise<number> {
  const { rows } = await client.query(
    `SELECT sum(pg_stat_get_xact_blocks_fetched(oid))::int AS blocks FROM pg_class
      WHERE relnamespace IN ('public'::regnamespace, 'pg_toast'::regnamespace)`,
  );
  return rows[0].blocks;
}

function scansIn(node: unknown): string[] {
  const { 'Node Type': type, 'Relation Name': relation, Plans: plans = [] } = Value.Parse(nodeSchema, node);
  const own = relation !== undefined && type.endsWith('Scan') ? [`${type} of ${relation}`] : [];
  return [...own, ...plans.flatMap(scansIn)];
}

/** A parameter as SQL, of the type that the statement gives it. */
function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (!Array.isArray(value)) return pg.escapeLiteral(typeof value === 'object' ? JSON.stringify(value) : String(value));
  const items = value.map((item) => (item === null ? 'NULL' : JSON.stringify(String(item))));
  return pg.escapeLiteral(`{${items.join(',')}}`);
}

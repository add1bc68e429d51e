import type pg from 'pg';
import type { Database } from '../../src/database/client.ts';

/**
 * The blocks of 8 KB that a task reads of a table and its indexes, as PostgreSQL counts them.
 * @param database one connection, which runs the task and has already planned its statements
 */
export async function blocksOf(
  { query }: Pick<Database, 'query'>,
  sql: pg.Pool,
  table: string,
  task: () => Promise<unknown>,
): Promise<number> {
  const soFar = async (): Promise<number> => {
    // What the session of the task has read, and what the other one read before the task and has not reported yet.
    await query({ text: 'SELECT FROM pg_stat_force_next_flush()', values: [] });
    await sql.query('SELECT FROM pg_stat_force_next_flush()');
    const { rows } = await sql.query(
      `SELECT (heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))::int AS blocks
         FROM pg_statio_all_tables WHERE relid = $1::regclass`,
      [table],
    );
    return rows[0].blocks;
  };
  const before = await soFar();
  await task();
  return (await soFar()) - before;
}

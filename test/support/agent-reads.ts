import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { openAnotherServer } from './another-server.ts';
import { callsOf } from './calls.ts';
import type { World } from './world.ts';

/** Blocks of the table agent. */
export interface Reads {
  /** Blocks of the table and its indexes. */
  readonly table: number;
  /** Blocks of the TOAST table, which holds large values. */
  readonly toast: number;
}

/** Inserts an agent with large metadata on the observer's connection, and returns its id. */
export async function insertLargeAgent(observer: pg.Client, companyId: string): Promise<string> {
  const { rows } = await observer.query<{ id: string }>(
    `INSERT INTO agent (company_id, name, type, focus, language, duration, metadata)
     SELECT $1, 'Large', 'ONLINE', 'GENERIC', 'EN', 30,
            jsonb_build_object('large', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 8000) AS n))
     RETURNING id`,
    [companyId],
  );
  return rows[0]?.id ?? '';
}

/**
 * A server with one connection, which reports its counts on request.
 * @param observer a connection of the operator, which does not read the table
 */
export async function openCounted(world: World, observer: pg.Client, companyId: string) {
  const server = await openAnotherServer(world, { connections: 1 });
  const passOn = () => server.database.query({ text: 'SELECT FROM pg_stat_force_next_flush()', values: [] });
  // The first execution on a connection makes the plan, for which PostgreSQL reads the indexes.
  const { key } = await world.newKey(companyId);
  await callsOf(server.origin).call(key, `GET /agents/${randomUUID()}`);
  return {
    ...server,
    ...callsOf(server.origin),
    /** The blocks of the table agent that the server reads during a task. */
    async readsDuring(task: () => Promise<unknown>): Promise<Reads> {
      await passOn();
      const before = await readsSoFar(observer);
      await task();
      await passOn();
      const after = await readsSoFar(observer);
      return { table: after.table - before.table, toast: after.toast - before.toast };
    },
  };
}

async function readsSoFar(observer: pg.Client): Promise<Reads> {
  await observer.query('SELECT FROM pg_stat_force_next_flush()');
  const { rows } = await observer.query(
    `SELECT (heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::int AS table,
            (toast_blks_read + toast_blks_hit + tidx_blks_read + tidx_blks_hit)::int AS toast
       FROM pg_statio_all_tables WHERE relid = 'agent'::regclass`,
  );
  return rows[0];
}

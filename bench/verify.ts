import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { busySql, inconsistentSql, storedCountsSql } from './contestants/statements.ts';
import { cpuOf, type Stage } from './stage.ts';

/** The number of stored changes. */
export interface Stored {
  readonly versions: number;
  readonly entries: number;
}

/**
 * The number of successive checks, and the milliseconds between them, that must find no activity before a load counts
 * as done.
 */
const quietTimes = 6;
const pause = 25;

/** Milliseconds of processor time that an idle contestant may use between two checks. */
const idleTime = 5;

/**
 * Counts the stored changes once there is no activity. Requests that a load cut off at its end may still be running: in
 * the database, in a contestant, or in the buffers of its connections.
 */
export async function storedIn({ client, contestants }: Stage): Promise<Stored> {
  let used = await cpuOf(contestants);
  for (let quiet = 0; quiet < quietTimes; ) {
    await delay(pause);
    const isIdle = (await ask<{ count: number }>(client, busySql)).count === 0;
    const usedNow = await cpuOf(contestants);
    quiet = isIdle && usedNow - used < idleTime ? quiet + 1 : 0;
    used = usedNow;
  }
  return await ask<Stored>(client, storedCountsSql);
}

interface Done {
  readonly connections: number;
  /** Requests that were answered. */
  readonly acknowledged: number;
}

/**
 * Compares the changes stored during a round with the acknowledged ones. A request that the end of the round cut off
 * may have been carried out without an answer: one on each connection. For a mix only the average number of changes is
 * known, so at least half as many must be stored.
 * @throws Error if a change is missing, or one is stored that was not requested
 */
export async function verify(stage: Stage, before: Stored, { connections, acknowledged }: Done) {
  const { client, entry } = stage;
  const { reads } = entry.load;
  const after = await storedIn(stage);
  const versions = after.versions - before.versions;
  const entries = after.entries - before.entries;
  const inconsistent = await ask<{ count: number }>(client, inconsistentSql);
  const least = reads === 0 ? acknowledged : (acknowledged * (100 - reads)) / 200;
  const most = reads === 100 ? 0 : acknowledged + connections;
  if (versions !== entries || versions < least || versions > most || inconsistent.count !== 0) {
    throw new Error(
      `${entry.title}: ${acknowledged} requests were acknowledged on ${connections} connections, but ${versions} versions ` +
        `and ${entries} history entries were stored; ${inconsistent.count} agents differ from their newest entry`,
    );
  }
}

/** The one row that a statement returns. */
async function ask<Row extends object>(client: pg.Client, sql: string): Promise<Row> {
  const { rows } = await client.query<Row>(sql);
  const [row] = rows;
  if (!row) throw new Error('a statement returned no row');
  return row;
}

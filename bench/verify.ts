import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { busySql, storedCountsSql, unfaithfulSql } from './contestants/statements.ts';
import { cpuOf, type Stage } from './stage.ts';

/** How much is stored. */
export interface Stored {
  readonly versions: number;
  readonly entries: number;
}

/** How often in a row, this many milliseconds apart, nobody may be at work before all is taken to be done. */
const quietTimes = 6;
const pause = 25;

/** Milliseconds of processor time that a contestant uses meanwhile though it has nothing to do. */
const idleTime = 5;

/**
 * Counts what is stored, once nobody is at work: requests that a load cut off at its end may still be carried out. They may
 * be in the database, in a contestant, or in the buffers of its connections.
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
 * Compares what was stored during a round with what was acknowledged in it. A request that the end of the round cut off
 * may have been carried out without an answer: one on each connection. Of a mix it is only known how many of the requests
 * are changes on average: at least half as many must be stored.
 * @throws Error when anything is missing, or anything is there that nobody asked for
 */
export async function verify(stage: Stage, before: Stored, { connections, acknowledged }: Done) {
  const { client, entry } = stage;
  const { reads } = entry.load;
  const after = await storedIn(stage);
  const versions = after.versions - before.versions;
  const entries = after.entries - before.entries;
  const unfaithful = await ask<{ count: number }>(client, unfaithfulSql);
  const least = reads === 0 ? acknowledged : (acknowledged * (100 - reads)) / 200;
  const most = reads === 100 ? 0 : acknowledged + connections;
  if (versions !== entries || versions < least || versions > most || unfaithful.count !== 0) {
    throw new Error(
      `${entry.title}: ${acknowledged} requests were acknowledged on ${connections} connections, but ${versions} versions ` +
        `and ${entries} history entries were stored; ${unfaithful.count} agents differ from their newest entry`,
    );
  }
}

/** The one row of a statement. */
async function ask<Row extends object>(client: pg.Client, sql: string): Promise<Row> {
  const { rows } = await client.query<Row>(sql);
  const [row] = rows;
  if (!row) throw new Error('a statement returned no row');
  return row;
}

import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { busySql, storedCountsSql, unfaithfulSql } from './contestants/statements.ts';

/** How much is stored. */
export interface Stored {
  readonly versions: number;
  readonly entries: number;
}

/** How often in a row, this many milliseconds apart, nobody may be at work before all is taken to be done. */
const quietTimes = 6;
const pause = 25;

/** Counts what is stored, once nobody is at work: requests that a load cut off at its end may still be carried out. */
export async function storedIn(client: pg.Client): Promise<Stored> {
  for (let quiet = 0; quiet < quietTimes; ) {
    quiet = (await ask<{ count: number }>(client, busySql)).count === 0 ? quiet + 1 : 0;
    await delay(pause);
  }
  return await ask<Stored>(client, storedCountsSql);
}

/**
 * Compares what was stored during a round with what was acknowledged in it. A request that the end of the round cut off
 * may have been carried out without an answer: one on each connection.
 * @throws Error when anything is missing, or anything is there that nobody asked for
 */
export async function verify(client: pg.Client, before: Stored, acknowledged: number, connections: number) {
  const after = await storedIn(client);
  const versions = after.versions - before.versions;
  const entries = after.entries - before.entries;
  const unfaithful = await ask<{ count: number }>(client, unfaithfulSql);
  if (
    versions !== entries ||
    versions < acknowledged ||
    versions > acknowledged + connections ||
    unfaithful.count !== 0
  ) {
    throw new Error(
      `${acknowledged} changes were acknowledged on ${connections} connections, but ${versions} versions and ` +
        `${entries} history entries were stored; ${unfaithful.count} agents differ from their newest entry`,
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

import type { Prisma } from '../generated/prisma/client.ts';
import { rowsOf } from './rows.ts';
import { timeSchema } from './schema.ts';

const timesOf = rowsOf(timeSchema);

/**
 * The time by the database's clock in UTC, in whole milliseconds, as columns hold it. Raw, since Prisma can neither ask for
 * it nor compare with it: its own `now` is the clock of the machine that it runs on.
 */
export async function databaseTime(client: Pick<Prisma.TransactionClient, '$queryRaw'>): Promise<Date> {
  const [time] = timesOf(await client.$queryRaw<unknown[]>`SELECT clock_timestamp() AS now`);
  if (!time) throw new Error('the database told no time');
  return time.now;
}

import type { Prisma } from '../generated/prisma/client.ts';
import { timeSchema } from './row.schema.ts';
import { onlyRow, rowsOf } from './rows.ts';

const timesOf = rowsOf(timeSchema);

/**
 * The time of the database's clock in whole milliseconds, the precision of the columns. Raw, since Prisma cannot read it:
 * its `now` is the clock of the client's machine.
 */
export async function databaseTime(client: Pick<Prisma.TransactionClient, '$queryRaw'>): Promise<Date> {
  return onlyRow(timesOf(await client.$queryRaw<unknown[]>`SELECT clock_timestamp() AS now`)).now;
}

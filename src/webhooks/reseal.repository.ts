import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import { lowestId } from '../http/uuid.ts';
import type { Sealer } from './sealer.ts';
import { isReadable, resealed } from './secrets.ts';

/** Endpoints that one statement reads. */
const portion = 100;

/** The columns that are read, and unchanged if the new ciphertexts are stored. */
// biome-ignore format: a list
const select = { id: true, sealedSecret: true, sealedPreviousSecret: true, sealedHeaders: true, sealedUnder: true } as const;

/**
 * Encrypts again, under API_KEY_SECRET, the endpoints that are still encrypted under API_KEY_SECRET_PREVIOUS; runs at the
 * start of a server. An endpoint that is changed at the same time is skipped: the change encrypts it. Logs how many were
 * encrypted again, and how many cannot be decrypted, with the ids of the first ten.
 */
export async function resealWebhooks(
  { typed }: Pick<Database, 'typed'>,
  sealer: Sealer,
  log: Pick<Logger, 'info' | 'warn'>,
): Promise<void> {
  let count = 0;
  const unreadable: string[] = [];
  const elsewhere = { sealedUnder: { not: sealer.fingerprint } };
  let after = lowestId;
  for (;;) {
    const where = { ...elsewhere, id: { gt: after } };
    const rows = await typed(({ webhookEndpoint }) =>
      webhookEndpoint.findMany({ where, select, orderBy: { id: 'asc' }, take: portion }),
    );
    for (const row of rows) {
      after = row.id;
      if (!isReadable(row, sealer)) unreadable.push(row.id);
      else {
        const data = resealed(row, sealer);
        count += (await typed(({ webhookEndpoint }) => webhookEndpoint.updateMany({ where: row, data }))).count;
      }
    }
    if (rows.length < portion) break;
  }
  if (count > 0) {
    log.info({ endpoints: count }, 'webhook endpoints were encrypted anew, under API_KEY_SECRET');
  }
  if (unreadable.length > 0) {
    const endpoints = { endpoints: unreadable.length, webhookIds: unreadable.slice(0, 10) };
    log.warn(endpoints, 'webhook endpoints are encrypted under another API_KEY_SECRET, or damaged');
  }
}

import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import { lowestId } from '../http/uuid.ts';
import type { Sealer } from './sealer.ts';
import { resealed } from './secrets.ts';

/** Endpoints that one statement reads. */
const portion = 100;

/** The columns that are read, and unchanged if the new ciphertexts are stored. */
// biome-ignore format: a list
const select = { id: true, sealedSecret: true, sealedPreviousSecret: true, sealedHeaders: true, sealedUnder: true } as const;

/**
 * Encrypts again, under API_KEY_SECRET, the endpoints that are still encrypted under API_KEY_SECRET_PREVIOUS; runs at the
 * start of a server. An endpoint that is changed at the same time is skipped: the change encrypts it. Logs how many were
 * encrypted again, and how many are encrypted under neither secret.
 */
export async function resealWebhooks(
  { typed }: Pick<Database, 'typed'>,
  sealer: Sealer,
  log: Pick<Logger, 'info' | 'warn'>,
): Promise<void> {
  const counts = { resealed: 0, unreadable: 0 };
  const elsewhere = { sealedUnder: { not: sealer.fingerprint } };
  let after = lowestId;
  for (;;) {
    const where = { ...elsewhere, id: { gt: after } };
    const rows = await typed(({ webhookEndpoint }) =>
      webhookEndpoint.findMany({ where, select, orderBy: { id: 'asc' }, take: portion }),
    );
    for (const row of rows) {
      after = row.id;
      if (!sealer.canOpen(row.sealedUnder)) counts.unreadable += 1;
      else {
        const data = resealed(row, sealer);
        counts.resealed += (
          await typed(({ webhookEndpoint }) => webhookEndpoint.updateMany({ where: row, data }))
        ).count;
      }
    }
    if (rows.length < portion) break;
  }
  if (counts.resealed > 0) {
    log.info({ endpoints: counts.resealed }, 'webhook endpoints were encrypted anew, under API_KEY_SECRET');
  }
  if (counts.unreadable > 0) {
    log.warn({ endpoints: counts.unreadable }, 'webhook endpoints are encrypted under another API_KEY_SECRET');
  }
}

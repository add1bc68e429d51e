import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import { rowsOf } from '../database/rows.ts';
import { run } from '../database/statement.ts';
import { lowestId } from '../http/uuid.ts';
import { sealedElsewhereStatement, storeResealedStatement } from './reseal.statements.ts';
import { idRowSchema, sealedRowSchema } from './row.schema.ts';
import type { Sealer } from './sealer.ts';
import { resealed } from './secrets.ts';

/** Endpoints that one statement reads. */
const portion = 100;

const sealedOf = rowsOf(sealedRowSchema);
const idsOf = rowsOf(idRowSchema);

/**
 * Encrypts again, under API_KEY_SECRET, the endpoints that are still encrypted under API_KEY_SECRET_PREVIOUS; runs at the
 * start of a server. An endpoint that is changed at the same time is skipped: the change encrypts it. Logs how many were
 * encrypted again, and how many are encrypted under neither secret.
 */
export async function resealWebhooks(
  { query }: Pick<Database, 'query'>,
  sealer: Sealer,
  log: Pick<Logger, 'info' | 'warn'>,
): Promise<void> {
  const counts = { resealed: 0, unreadable: 0 };
  let after = lowestId;
  for (;;) {
    const rows = sealedOf(await run(query, sealedElsewhereStatement(sealer.fingerprint, after, portion)));
    for (const row of rows) {
      after = row.id;
      if (!sealer.canOpen(row.sealedUnder)) counts.unreadable += 1;
      else counts.resealed += idsOf(await run(query, storeResealedStatement(row, resealed(row, sealer)))).length;
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

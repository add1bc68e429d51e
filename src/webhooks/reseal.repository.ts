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
 * Makes a function that encrypts again, under API_KEY_SECRET, the endpoints that are still encrypted under
 * API_KEY_SECRET_PREVIOUS. A server calls it at its start and while it runs, because a server that still has the secrets of
 * before can store endpoints meanwhile. An endpoint that is changed at the same time is skipped: the change encrypts it. Logs how
 * many were encrypted again, and how many cannot be decrypted, with the ids of the first ten: each of them once.
 */
export function webhookResealer(
  { typed }: Pick<Database, 'typed'>,
  sealer: Sealer,
  log: Pick<Logger, 'info' | 'warn'>,
) {
  const elsewhere = { sealedUnder: { not: sealer.fingerprint } };
  const reported = new Set<string>();

  /** @param signal ends it early when aborted */
  return async (signal?: AbortSignal): Promise<void> => {
    let count = 0;
    const unreadable: string[] = [];
    let after = lowestId;
    for (let isLast = false; !isLast; ) {
      const where = { ...elsewhere, id: { gt: after } };
      const rows = await typed(({ webhookEndpoint }) =>
        webhookEndpoint.findMany({ where, select, orderBy: { id: 'asc' }, take: portion }),
      );
      for (const row of rows) {
        after = row.id;
        if (isReadable(row, sealer)) {
          const data = resealed(row, sealer);
          count += (await typed(({ webhookEndpoint }) => webhookEndpoint.updateMany({ where: row, data }))).count;
        } else if (!reported.has(row.id)) unreadable.push(row.id);
      }
      isLast = rows.length < portion || signal?.aborted === true;
    }
    if (count > 0) {
      log.info({ endpoints: count }, 'webhook endpoints were encrypted anew, under API_KEY_SECRET');
    }
    if (unreadable.length > 0) {
      const endpoints = { endpoints: unreadable.length, webhookIds: unreadable.slice(0, 10) };
      log.warn(endpoints, 'webhook endpoints are encrypted under another API_KEY_SECRET, or damaged');
    }
    for (const id of unreadable) reported.add(id);
  };
}

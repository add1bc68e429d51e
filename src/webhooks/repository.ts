import { lastTry, mustHurry, waitForKey } from '../agents/write/keep.ts';
import { deleteExpiredStatement, idempotencyIndex } from '../agents/write/kept.statements.ts';
import { shortWaitStatement } from '../agents/write/lock.statements.ts';
import type { KeyOwner } from '../auth/api-key.ts';
import type { OwnerCaller } from '../auth/caller.ts';
import { confirm } from '../auth/lookup.repository.ts';
import type { Database, TypedTransaction } from '../database/client.ts';
import { databaseTime } from '../database/clock.ts';
import { isLockTimeout, isTaken } from '../database/failures.ts';
import { limitByKey } from '../database/fair-limit.ts';
import { totalRowSchema } from '../database/row.schema.ts';
import { onlyRow, pageRowsOf, rowsOf } from '../database/rows.ts';
import type { Query } from '../database/statement.ts';
import type { Prisma, WebhookEndpoint } from '../generated/prisma/client.ts';
import type { Idempotency } from '../http/idempotency-key.ts';
import { itemsBefore, type Page } from '../http/pages.ts';
import { ApiError, timedOut } from '../http/problems.ts';
import * as deliveries from './delivery-list.statements.ts';
import * as endpoints from './endpoint.statements.ts';
import { findKept } from './kept.repository.ts';
import { type Completed, keepStatement } from './kept.statements.ts';
import { type StoredDelivery, storedDeliverySchema } from './row.schema.ts';

export type StoredWebhook = WebhookEndpoint;

/** What a change writes; its time, and what follows from the status and the URL, is added. */
type Changes = Partial<Omit<StoredWebhook, 'id' | 'createdAt' | 'updatedAt' | 'previousSecretUntil'>>;

type WebhookAction = 'webhook.created' | 'webhook.updated' | 'webhook.deleted' | 'webhook.secret-rotated';

export type WebhookRepository = ReturnType<typeof webhookRepository>;
export type WebhookTransaction = ReturnType<typeof transactionOf>;

/** Milliseconds for which requests are signed with the previous secret too. */
const overlap = 24 * 60 * 60 * 1_000;

const newestFirst = [{ createdAt: 'desc' as const }, { id: 'desc' as const }];

const deliveriesOf = rowsOf(storedDeliverySchema);
const deliveryPageOf = pageRowsOf(storedDeliverySchema);
const totalsOf = rowsOf(totalRowSchema);

/** The statements of a change of endpoints, all in one transaction. */
function transactionOf(query: Query, typed: TypedTransaction, by: OwnerCaller) {
  return {
    /** An endpoint of any owner; if it is the caller's, its row is locked until the transaction ends. */
    async find(id: string): Promise<StoredWebhook | null> {
      await query(endpoints.lockOwnEndpointStatement(id, by.owner));
      return await typed(({ webhookEndpoint }) => webhookEndpoint.findUnique({ where: { id } }));
    },
    count: ({ companyId, integrationId }: KeyOwner): Promise<number> =>
      typed(({ webhookEndpoint }) => webhookEndpoint.count({ where: { companyId, integrationId } })),
    insert: (data: Prisma.WebhookEndpointUncheckedCreateInput): Promise<StoredWebhook> =>
      typed(({ webhookEndpoint }) => webhookEndpoint.create({ data })),
    /** @param isRotated whether the secret was replaced: the previous one then signs for another 24 hours */
    save: ({ id, ...stored }: StoredWebhook, changes: Changes, isRotated = false): Promise<StoredWebhook> =>
      typed(async (client) => {
        const now = (await databaseTime(client)).getTime();
        const { status = stored.status, url = stored.url } = changes;
        return await client.webhookEndpoint.update({
          where: { id },
          data: {
            ...changes,
            // A new URL is not disabled for the failures of the old one.
            ...((status !== stored.status || url !== stored.url) && { failingSince: null }),
            ...(isRotated && { previousSecretUntil: new Date(now + overlap) }),
            updatedAt: new Date(Math.max(now, stored.updatedAt.getTime() + 1)),
          },
        });
      }),
    /** Deletes at most `size` deliveries; returns whether there may be more. */
    async dropDeliveries(id: string, size: number): Promise<boolean> {
      return onlyRow(totalsOf(await query(endpoints.dropDeliveriesStatement(id, size)))).total === size;
    },
    /** Deletes an endpoint with its remaining deliveries. */
    async remove(id: string): Promise<void> {
      await query(endpoints.avoidTableScansStatement);
      await typed(({ webhookEndpoint }) => webhookEndpoint.delete({ where: { id }, select: { id: true } }));
    },
    /** Inserts the audit entry. `createMany`, because the server's role cannot read what it inserts there. */
    async record(action: WebhookAction, details: Prisma.InputJsonObject): Promise<void> {
      const { owner, keyId: actingKeyId, requestId, address: callerAddress } = by;
      const data = { action, actingKeyId, requestId, callerAddress, ...owner, details };
      await typed(({ auditEntry }) => auditEntry.createMany({ data }));
    },
    async ping({ id, companyId }: StoredWebhook): Promise<StoredDelivery> {
      return onlyRow(deliveriesOf(await query(deliveries.pingStatement(id, companyId, by.requestId, by.keyId))));
    },
    /** Undefined when the endpoint has no such delivery. */
    async redeliver(id: string, deliveryId: string): Promise<StoredDelivery | undefined> {
      return deliveriesOf(await query(deliveries.redeliverStatement(id, deliveryId)))[0];
    },
  };
}

/** Webhook endpoints and their deliveries, as their owners see them. Throws ApiError DATABASE_UNAVAILABLE. */
export function webhookRepository(database: Database) {
  const { query, typed } = database;
  /**
   * Changes of one owner run one at a time, in the order of the calls. They wait here and not in a transaction, where each would
   * keep a connection from other owners.
   */
  const inOrder = limitByKey(1);

  async function attempt(
    by: OwnerCaller,
    idempotency: Idempotency | undefined,
    work: (tx: WebhookTransaction) => Promise<Completed>,
  ): Promise<Completed> {
    if (by.deadline.left() <= 0) throw timedOut();
    return await database.transaction(async (tx, typedTx) => {
      if (mustHurry(by)) await tx(shortWaitStatement);
      const locking = tx(endpoints.lockOwnerStatement(by.owner));
      await (idempotency ? waitForKey(locking) : locking);
      // The client has been answered 503 if the wait for the lock was too long.
      if (by.deadline.left() <= 0) throw timedOut();
      // Before a kept answer is repeated, which changes nothing.
      await confirm(tx, by);
      const kept = idempotency && (await findKept(tx, by, idempotency));
      if (kept) return kept;
      const made = await work(transactionOf(tx, typedTx, by));
      if (idempotency) await waitForKey(tx(keepStatement(by.keyId, idempotency, made)));
      // After the last wait for a lock: the key may have ended during one. Otherwise what was done is rolled back.
      await confirm(tx, by);
      return made;
    });
  }

  return {
    /**
     * Carries out a change of one owner's endpoints in one transaction. Changes of one owner run one at a time, and
     * requests with the same Idempotency-Key are carried out once.
     * @throws what `work` throws; ApiError IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_KEY_IN_USE
     */
    async change(
      by: OwnerCaller,
      idempotency: Idempotency | undefined,
      work: (tx: WebhookTransaction) => Promise<Completed>,
    ): Promise<Completed> {
      for (;;) {
        try {
          return await inOrder(by.owner.companyId ?? by.owner.integrationId ?? '', () =>
            attempt(by, idempotency, work),
          );
        } catch (error) {
          // A lock was held for too long, by another server as a rule; what was done is rolled back.
          if (isLockTimeout(error) && by.deadline.left() > lastTry) continue;
          if (!idempotency || !isTaken(error, idempotencyIndex)) throw error;
          // The key was stored by a concurrent request, or its kept answer is older than 24 hours and not deleted yet.
          if (by.deadline.left() <= 0) throw new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error });
          await query(deleteExpiredStatement(by.keyId, idempotency.key));
        }
      }
    },

    /** An endpoint of any owner. */
    find: (id: string): Promise<StoredWebhook | null> =>
      typed(({ webhookEndpoint }) => webhookEndpoint.findUnique({ where: { id } })),

    /** One page of an owner's endpoints, the newest first, and their number. All are read: an owner has few (`checkCount`). */
    async list({ companyId, integrationId }: KeyOwner, page: Page) {
      // Prisma compares with null by IS NULL: an endpoint has exactly one of the two.
      const where = { companyId, integrationId };
      const all = await typed(({ webhookEndpoint }) => webhookEndpoint.findMany({ where, orderBy: newestFirst }));
      const before = itemsBefore(page);
      return { items: all.slice(before, before + page.limit), total: all.length, page };
    },

    /** One page, the newest first; `total` counts as far as pages reach, up to 100,000. */
    async deliveries(id: string, filter: deliveries.DeliveryFilter, page: Page) {
      return { ...deliveryPageOf(await query(deliveries.deliveriesStatement(id, page, filter))), page };
    },
  };
}

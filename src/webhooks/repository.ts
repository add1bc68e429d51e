import { deleteExpiredStatement, idempotencyIndex } from '../agents/write/kept.statements.ts';
import type { KeyOwner } from '../auth/api-key.ts';
import type { OwnerCaller } from '../auth/caller.ts';
import { confirm } from '../auth/lookup.repository.ts';
import type { Database } from '../database/client.ts';
import { isLockTimeout, isTaken } from '../database/failures.ts';
import type { Query } from '../database/query.ts';
import { totalRowSchema } from '../database/row.schema.ts';
import { onlyRow, rowsOf } from '../database/rows.ts';
import { run } from '../database/statement.ts';
import type { Idempotency } from '../http/idempotency-key.ts';
import type { Page } from '../http/pages.ts';
import { ApiError } from '../http/problems.ts';
import * as deliveries from './delivery-list.statements.ts';
import * as endpoints from './endpoint.statements.ts';
import { keepStatement, keptStatement } from './kept.statements.ts';
import {
  idRowSchema,
  keptRowSchema,
  type StoredDelivery,
  type StoredWebhook,
  storedDeliverySchema,
  storedWebhookSchema,
} from './row.schema.ts';

export type WebhookRepository = ReturnType<typeof webhookRepository>;
export type WebhookTransaction = ReturnType<typeof transactionOf>;

/** The result of a request: the id of the endpoint, and the answer without the signing secret. */
export interface Completed {
  readonly webhookId: string;
  readonly answer: object;
  /** The kept answer to an earlier request with the same Idempotency-Key; nothing was changed. */
  readonly replayed?: true;
}

/** Deliveries are counted up to this number, which is also the maximum of `page` × `limit`. */
const maxCounted = 100_000;

const webhooksOf = rowsOf(storedWebhookSchema);
const deliveriesOf = rowsOf(storedDeliverySchema);
const idsOf = rowsOf(idRowSchema);
const totalsOf = rowsOf(totalRowSchema);
const keptOf = rowsOf(keptRowSchema);

/** The statements of a change of endpoints, all in one transaction. */
function transactionOf(query: Query, by: OwnerCaller) {
  return {
    /** An endpoint of any owner, its row locked until the transaction ends. */
    async find(id: string): Promise<StoredWebhook | undefined> {
      return webhooksOf(await run(query, endpoints.findLockedStatement(id)))[0];
    },
    count: (owner: KeyOwner) => total(query, owner),
    async insert(made: endpoints.WrittenWebhook): Promise<StoredWebhook> {
      return onlyRow(webhooksOf(await run(query, endpoints.insertStatement(made))));
    },
    async save(saved: endpoints.WrittenWebhook, isRotated = false): Promise<StoredWebhook> {
      return onlyRow(webhooksOf(await run(query, endpoints.saveStatement(saved, isRotated))));
    },
    /** Deletes at most `size` deliveries; returns whether there may be more. */
    async dropDeliveries(id: string, size: number): Promise<boolean> {
      return idsOf(await run(query, endpoints.dropDeliveriesStatement(id, size))).length === size;
    },
    async remove(id: string): Promise<void> {
      await run(query, endpoints.deleteStatement(id));
    },
    /** Inserts the audit entry. */
    async record(action: endpoints.WebhookAction, owner: KeyOwner, details: object): Promise<void> {
      await run(query, endpoints.entryStatement(action, owner, by, details));
    },
    async ping({ id, companyId }: StoredWebhook): Promise<StoredDelivery> {
      return onlyRow(deliveriesOf(await run(query, deliveries.pingStatement(id, companyId, by.requestId, by.keyId))));
    },
    /** Undefined when the endpoint has no such delivery. */
    async redeliver(id: string, deliveryId: string): Promise<StoredDelivery | undefined> {
      return deliveriesOf(await run(query, deliveries.redeliverStatement(id, deliveryId)))[0];
    },
  };
}

async function total(query: Query, owner: KeyOwner): Promise<number> {
  return onlyRow(totalsOf(await run(query, endpoints.countStatement(owner)))).total;
}

/** Webhook endpoints and their deliveries, as their owners see them. Throws ApiError DATABASE_UNAVAILABLE. */
export function webhookRepository(database: Database) {
  const { query } = database;

  async function attempt(
    by: OwnerCaller,
    idempotency: Idempotency | undefined,
    work: (tx: WebhookTransaction) => Promise<Completed>,
  ): Promise<Completed> {
    return await database.transaction(async (tx) => {
      await run(tx, endpoints.lockOwnerStatement(by.owner));
      await confirm(tx, by);
      if (!idempotency) return await work(transactionOf(tx, by));
      const kept = await findKept(tx, by, idempotency);
      if (kept) return kept;
      const made = await work(transactionOf(tx, by));
      await keep(tx, by, idempotency, made);
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
          return await attempt(by, idempotency, work);
        } catch (error) {
          if (!idempotency || !isTaken(error, idempotencyIndex)) throw error;
          // The key was stored by a concurrent request, or its kept answer is older than 24 hours and not deleted yet.
          if (by.deadline.left() <= 0) throw new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error });
          await run(query, deleteExpiredStatement(by.keyId, idempotency.key));
        }
      }
    },

    /** An endpoint of any owner. */
    async find(id: string): Promise<StoredWebhook | undefined> {
      return webhooksOf(await run(query, endpoints.findStatement(id)))[0];
    },

    async list(owner: KeyOwner, page: Page) {
      const [rows, count] = await Promise.all([run(query, endpoints.listStatement(owner, page)), total(query, owner)]);
      return { items: webhooksOf(rows), total: count };
    },

    /** One page, the newest first; `total` counts up to 100,000. */
    async deliveries(id: string, filter: deliveries.DeliveryFilter, page: Page) {
      const [rows, totals] = await Promise.all([
        run(query, deliveries.deliveriesStatement(id, page, filter)),
        run(query, deliveries.countDeliveriesStatement(id, filter, maxCounted)),
      ]);
      return { items: deliveriesOf(rows), total: onlyRow(totalsOf(totals)).total };
    },
  };
}

/** @throws ApiError IDEMPOTENCY_KEY_REUSED when the key belongs to another request */
async function findKept(
  query: Query,
  { keyId }: OwnerCaller,
  idempotency: Idempotency,
): Promise<Completed | undefined> {
  const [kept] = keptOf(await run(query, keptStatement(keyId, idempotency.key)));
  if (!kept) return undefined;
  const { fingerprint, webhookId, answer } = kept;
  if (fingerprint !== idempotency.fingerprint || webhookId === null || answer === null) {
    throw new ApiError('IDEMPOTENCY_KEY_REUSED');
  }
  return { webhookId, answer, replayed: true };
}

async function keep(query: Query, { keyId }: OwnerCaller, idempotency: Idempotency, made: Completed): Promise<void> {
  try {
    await run(query, keepStatement(keyId, idempotency, made));
  } catch (error) {
    if (isLockTimeout(error)) throw new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error });
    throw error;
  }
}

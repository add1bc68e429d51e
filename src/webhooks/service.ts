import { randomUUID } from 'node:crypto';
import type { OwnerCaller } from '../auth/caller.ts';
import type { Idempotency } from '../http/idempotency-key.ts';
import { type Page, readPage } from '../http/pages.ts';
import { deliveryMissing, webhookMissing } from '../http/particular-problems.ts';
import type { Completed } from './kept.statements.ts';
import type { StoredWebhook, WebhookRepository, WebhookTransaction } from './repository.ts';
import {
  auditDetails,
  changedNames,
  checkBody,
  checkCount,
  checkEnabled,
  checkOwner,
  fieldsOf,
  patchedHeaders,
  repeatedSecret,
  toAnswer,
} from './rules.ts';
import type { DeliveryListQuery, WebhookDraft, WebhookPatch } from './schema.ts';
import type { Sealer } from './sealer.ts';
import { mergedHeaders, newSecret, resealed, rotated, sealHeaders, sealSecret } from './secrets.ts';
import type { TargetRules } from './target.ts';

export type WebhookService = ReturnType<typeof webhookService>;

/** Deliveries of a deleted endpoint that one transaction deletes at most. */
const deletedAtOnce = 2_000;

/** The endpoint in the path of a request, and its Idempotency-Key. */
interface EndpointRequest {
  /** In lower case. */
  readonly id: string;
  readonly idempotency?: Idempotency | undefined;
}

/** Ends a use case by the deadline of its request, with ApiError DATABASE_UNAVAILABLE if it has no result by then. */
const inTime =
  <Values extends unknown[], Result>(useCase: (by: OwnerCaller, ...values: Values) => Promise<Result>) =>
  (by: OwnerCaller, ...values: Values) =>
    by.deadline.race(useCase(by, ...values));

/** The use cases of webhook endpoints. Each throws ApiError for checks 9 to 13 (docs/contract.md#the-order-of-checks). */
export function webhookService(webhooks: WebhookRepository, sealer: Sealer, rules: TargetRules) {
  /** Adds the signing secret to an answer. Kept answers are stored without it, so it is read from the endpoint. */
  async function withSecret(made: Completed, secret: string): Promise<Completed> {
    if (!made.replayed) return { ...made, answer: { ...made.answer, secret } };
    const stored = await webhooks.find(made.webhookId);
    if (!stored) throw webhookMissing();
    return { ...made, answer: { ...made.answer, secret: repeatedSecret(stored, sealer) } };
  }

  const change = (
    by: OwnerCaller,
    { id, idempotency }: EndpointRequest,
    work: (stored: StoredWebhook, tx: WebhookTransaction) => Promise<object>,
  ) =>
    webhooks.change(by, idempotency, async (tx) => ({
      webhookId: id,
      answer: await work(checkOwner(by, await tx.find(id)), tx),
    }));

  return {
    /** Creates an endpoint. Only this answer, and its replays, contain the signing secret. */
    create: inTime(async (by, draft: WebhookDraft, idempotency?: Idempotency) => {
      const { url, events, description = null } = draft;
      const headers = mergedHeaders({}, draft.headers);
      checkBody({ url, headers }, rules);
      const secret = newSecret();
      const id = randomUUID();
      const made = await webhooks.change(by, idempotency, async (tx) => {
        checkCount(await tx.count(by.owner));
        const stored = await tx.insert({
          ...{ id, ...by.owner, url, events, description, ...sealHeaders(headers, id, sealer) },
          ...{ sealedSecret: sealSecret(secret, id, sealer), sealedUnder: sealer.fingerprint },
        });
        await tx.record('webhook.created', { ...auditDetails(stored), events });
        return { webhookId: id, answer: toAnswer(stored) };
      });
      return await withSecret(made, secret);
    }),

    list: inTime(async ({ owner }, query: Partial<Page>) => {
      const { items, ...page } = await webhooks.list(owner, readPage(query));
      return { ...page, items: items.map(toAnswer) };
    }),

    get: inTime(async (by, { id }: EndpointRequest) => toAnswer(checkOwner(by, await webhooks.find(id)))),

    /** Applies a merge patch. If it changes nothing, nothing is written: no `updatedAt`, no audit entry. */
    update: inTime(async (by, target: EndpointRequest, patch: WebhookPatch) => {
      if (patch.url !== undefined) checkBody({ url: patch.url }, rules);
      return await change(by, target, async (stored, tx) => {
        const { headers: _, ...given } = patch;
        const before = fieldsOf(stored);
        const after = { ...before, ...given };
        const headers = patchedHeaders(stored, patch, sealer);
        const changed = [...changedNames(before, after), ...(headers ? ['headers'] : [])];
        if (changed.length === 0) return toAnswer(stored);
        const disabledReason = after.status === before.status ? stored.disabledReason : null;
        const saved = await tx.save(stored, {
          ...{ ...resealed(stored, sealer), ...after, disabledReason },
          ...(headers && sealHeaders(headers, stored.id, sealer)),
        });
        await tx.record('webhook.updated', { ...auditDetails(saved), changed });
        return toAnswer(saved);
      });
    }),

    /**
     * Deletes an endpoint and its deliveries. If there are more than one transaction deletes, the endpoint is disabled
     * first, so that no deliveries are added, and they are deleted in several transactions: changes of agents wait for the
     * transaction that deletes the endpoint, so it must be short.
     */
    remove: inTime(remove),

    /**
     * Creates a new secret; for 24 hours requests are signed with the previous one too. That one and the headers are each
     * dropped if the server can no longer decrypt them: only so can the owner go on with such an endpoint.
     */
    rotateSecret: inTime(async (by, target: EndpointRequest) => {
      const secret = newSecret();
      const made = await change(by, target, async (stored, tx) => {
        const saved = await tx.save(stored, rotated(stored, secret, sealer), true);
        await tx.record('webhook.secret-rotated', auditDetails(saved));
        return toAnswer(saved);
      });
      return await withSecret(made, secret);
    }),

    ping: inTime((by, target: EndpointRequest) => change(by, target, (stored, tx) => tx.ping(checkEnabled(stored)))),

    deliveries: inTime(async (by, { id }: EndpointRequest, query: DeliveryListQuery) => {
      checkOwner(by, await webhooks.find(id));
      return await webhooks.deliveries(id, query, readPage(query));
    }),

    /** Queues the event of a delivery again, as a new delivery with no attempts. */
    redeliver: inTime((by, { id, idempotency }: EndpointRequest, deliveryId: string) =>
      webhooks.change(by, idempotency, async (tx) => {
        const stored = checkOwner(by, await tx.find(id));
        const delivery = await tx.redeliver(id, deliveryId);
        if (!delivery) throw deliveryMissing();
        // After check 10 of the delivery, although it is inserted by then: the error rolls that back.
        checkEnabled(stored);
        return { webhookId: id, agentId: delivery.agentId, answer: delivery };
      }),
    ),
  };

  async function remove(by: OwnerCaller, { id }: EndpointRequest): Promise<void> {
    let hasMore = true;
    while (hasMore) {
      await change(by, { id }, async (stored, tx) => {
        hasMore = await tx.dropDeliveries(id, deletedAtOnce);
        if (!hasMore) {
          await tx.remove(id);
          await tx.record('webhook.deleted', auditDetails(stored));
        } else if (stored.status !== 'DISABLED') {
          await tx.save(stored, { status: 'DISABLED', disabledReason: 'It is being deleted.' });
          await tx.record('webhook.updated', { ...auditDetails(stored), changed: ['status'] });
        }
        return {};
      });
    }
  }
}

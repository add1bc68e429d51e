import type { StoredWebhook } from './repository.ts';
import type { StoredDelivery } from './row.schema.ts';
import type { DeliveryAnswer, WebhookAnswer } from './schema.ts';

const inUtc = (time: string) => new Date(time).toISOString();

/** An endpoint as answers show it: without secret and header values. */
export function toWebhookAnswer(stored: StoredWebhook): WebhookAnswer {
  const { id, url, events, description, headerNames, status, disabledReason } = stored;
  return {
    ...{ id, url, events, description, headerNames, status, disabledReason },
    createdAt: stored.createdAt.toISOString(),
    updatedAt: stored.updatedAt.toISOString(),
    lastSuccessAt: stored.lastSuccessAt?.toISOString() ?? null,
    lastFailureAt: stored.lastFailureAt?.toISOString() ?? null,
  };
}

export const toDeliveryAnswer = ({ nextAttemptAt, createdAt, ...delivery }: StoredDelivery): DeliveryAnswer => ({
  ...delivery,
  nextAttemptAt: nextAttemptAt && inUtc(nextAttemptAt),
  createdAt: inUtc(createdAt),
});

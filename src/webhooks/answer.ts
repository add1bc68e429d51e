import type { StoredDelivery, StoredWebhook } from './row.schema.ts';
import type { DeliveryAnswer, WebhookAnswer } from './schema.ts';

const inUtc = (time: string) => new Date(time).toISOString();
const inUtcOrNull = (time: string | null) => (time === null ? null : inUtc(time));

/** An endpoint as answers show it: without secret and header values. */
export function toWebhookAnswer(stored: StoredWebhook): WebhookAnswer {
  const { id, url, events, description, headerNames, status, disabledReason } = stored;
  return {
    ...{ id, url, events, description, headerNames, status, disabledReason },
    createdAt: inUtc(stored.createdAt),
    updatedAt: inUtc(stored.updatedAt),
    lastSuccessAt: inUtcOrNull(stored.lastSuccessAt),
    lastFailureAt: inUtcOrNull(stored.lastFailureAt),
  };
}

export const toDeliveryAnswer = ({ nextAttemptAt, createdAt, ...delivery }: StoredDelivery): DeliveryAnswer => ({
  ...delivery,
  nextAttemptAt: inUtcOrNull(nextAttemptAt),
  createdAt: inUtc(createdAt),
});

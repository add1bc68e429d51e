import type { StoredDelivery, StoredWebhook } from './row.schema.ts';
import type { DeliveryAnswer, WebhookAnswer } from './schema.ts';

const inUtc = (time: string) => new Date(time).toISOString();
const orNull = (time: string | null) => (time === null ? null : inUtc(time));

/** An endpoint as answers show it: without secret and header values. */
export const toWebhookAnswer = ({
  id,
  url,
  events,
  description,
  headerNames,
  status,
  disabledReason,
  ...times
}: StoredWebhook): WebhookAnswer => ({
  ...{ id, url, events, description, headerNames, status, disabledReason },
  createdAt: inUtc(times.createdAt),
  updatedAt: inUtc(times.updatedAt),
  lastSuccessAt: orNull(times.lastSuccessAt),
  lastFailureAt: orNull(times.lastFailureAt),
});

export const toDeliveryAnswer = ({ nextAttemptAt, createdAt, ...delivery }: StoredDelivery): DeliveryAnswer => ({
  ...delivery,
  nextAttemptAt: orNull(nextAttemptAt),
  createdAt: inUtc(createdAt),
});

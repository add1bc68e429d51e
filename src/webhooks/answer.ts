import type { StoredDelivery, StoredWebhook } from './row.schema.ts';
import type { DeliveryAnswer, WebhookAnswer } from './schema.ts';

const orNull = (time: Date | null) => time?.toISOString() ?? null;

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
  createdAt: times.createdAt.toISOString(),
  updatedAt: times.updatedAt.toISOString(),
  lastSuccessAt: orNull(times.lastSuccessAt),
  lastFailureAt: orNull(times.lastFailureAt),
});

export const toDeliveryAnswer = ({ nextAttemptAt, createdAt, ...delivery }: StoredDelivery): DeliveryAnswer => ({
  ...delivery,
  nextAttemptAt: orNull(nextAttemptAt),
  createdAt: createdAt.toISOString(),
});

import type { StoredWebhook } from './repository.ts';
import type { WebhookAnswer } from './schema.ts';

/** An endpoint as answers show it: without secret and header values. */
export function toWebhookAnswer(stored: StoredWebhook): WebhookAnswer {
  const { id, url, events, description, headerNames, status, disabledReason } = stored;
  const { createdAt, updatedAt, lastSuccessAt, lastFailureAt } = stored;
  return {
    ...{ id, url, events, description, headerNames, status, disabledReason },
    ...{ createdAt, updatedAt, lastSuccessAt, lastFailureAt },
  };
}

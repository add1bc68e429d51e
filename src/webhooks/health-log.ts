import type { Logger } from 'pino';
import type { HealthChange } from './delivery.repository.ts';
import { originOf } from './target.ts';

/**
 * Logs one line when an endpoint begins to fail, when it succeeds again and when the server disables it; of all replicas,
 * the one that made the attempt. Of the URL only the origin: path and query may contain a secret.
 */
export const logHealth =
  (log: Pick<Logger, 'info' | 'warn'>) =>
  ({ id, url, health, reason, error }: HealthChange): void => {
    const endpoint = { webhookId: id, origin: originOf(url) };
    if (health === 'FAILING') log.warn({ ...endpoint, error }, 'a webhook endpoint fails');
    if (health === 'RECOVERED') log.info(endpoint, 'a webhook endpoint succeeds again');
    if (health === 'DISABLED') log.warn({ ...endpoint, error, reason }, 'a webhook endpoint was disabled');
  };

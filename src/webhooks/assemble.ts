import type { KeySecrets } from '../auth/api-key.ts';
import type { Database } from '../database/client.ts';
import type { Meter } from '../metrics/meter.ts';
import { type Attempt, attemptSender } from './attempt.ts';
import { type Claimed, deliveryRepository, type HealthChange } from './delivery.repository.ts';
import { dnsResolver } from './resolver.ts';
import { type Sealer, sealer } from './sealer.ts';
import { openHeaders, openSecrets } from './secrets.ts';
import type { Resolve, TargetRules } from './target.ts';
import { type Worker, webhookWorker } from './worker.ts';

interface Parts extends TargetRules, KeySecrets {
  readonly database: Pick<Database, 'query'>;
  readonly meter: Meter;
  readonly onError: (error: unknown) => void;
  readonly onHealth: (change: HealthChange) => void;
  /** Resolves host names; DNS by default. */
  readonly resolve?: Resolve;
}

/** Assembles the worker that sends webhooks. It sends nothing before `start`. */
export function assembleWebhookWorker({
  database,
  meter,
  onError,
  onHealth,
  resolve = dnsResolver(),
  ...given
}: Parts): Worker {
  const { allowHttp, allowNetworks } = given;
  const sealed = sealer(given);
  return webhookWorker({
    deliveries: deliveryRepository(database),
    sender: attemptSender({ resolve, allowHttp, allowNetworks }),
    open: (claimed) => attemptOf(claimed, sealed),
    ...{ meter, onError, onHealth },
  });
}

/** Decrypts what an attempt needs. @throws Error if this process lacks the API_KEY_SECRET of the endpoint */
function attemptOf(claimed: Claimed, sealer: Sealer): Attempt {
  const { endpointId: id, url, eventId, body } = claimed;
  const endpoint = { ...claimed, id };
  return { url, eventId, body, secrets: openSecrets(endpoint, sealer), headers: openHeaders(endpoint, sealer) };
}

import type { KeySecrets } from '../auth/api-key.ts';
import type { Database } from '../database/client.ts';
import type { Meter } from '../metrics/meter.ts';
import { deliverer } from './attempt.ts';
import { deliveryRepository, type HealthChange } from './delivery.repository.ts';
import { attemptOf } from './open-attempt.ts';
import { dnsResolver } from './resolver.ts';
import { sealer } from './sealed.ts';
import type { AddressRules, Resolve } from './target.ts';
import { type Worker, webhookWorker } from './worker.ts';

interface Parts extends AddressRules, KeySecrets {
  readonly database: Pick<Database, 'query'>;
  readonly meter: Meter;
  readonly onError: (error: unknown) => void;
  readonly onHealth: (change: HealthChange) => void;
  /** Resolves host names; DNS by default. */
  readonly resolve?: Resolve;
}

/** Assembles the worker that sends webhooks. It sends nothing before `start`. */
export function webhookSender({
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
    deliver: deliverer({ resolve, allowHttp, allowNetworks }),
    open: (claimed) => attemptOf(claimed, sealed),
    ...{ meter, onError, onHealth },
  });
}

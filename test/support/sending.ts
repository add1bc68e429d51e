import { randomBytes, randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { type Meter, silent } from '../../src/metrics/meter.ts';
import type { HealthChange } from '../../src/webhooks/delivery.repository.ts';
import { sealer } from '../../src/webhooks/sealer.ts';
import type { Resolve } from '../../src/webhooks/target.ts';
import { webhookWorker } from '../../src/webhooks/worker.ts';
import { openLimited, patience } from './time-limits.ts';
import type { World } from './world.ts';

/** A new secret of an endpoint. */
export const newSecret = () => `whsec_${randomBytes(24).toString('base64')}`;

interface EndpointOptions {
  readonly integrationId?: string;
  readonly previousSecret?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly events?: readonly string[];
}

/** Stores an endpoint of a company, or of an integration. */
export async function storeEndpoint(
  { sql, secret: apiKeySecret }: Pick<World, 'sql' | 'secret'>,
  companyId: string,
  url: string,
  { integrationId, previousSecret, headers, events = ['*'] }: EndpointOptions = {},
) {
  const id = randomUUID();
  const { seal, fingerprint } = sealer({ secret: apiKeySecret });
  const secret = newSecret();
  const sealed = (text: string) => seal(text, { endpointId: id, column: 'secret' });
  await sql.query(
    `INSERT INTO webhook_endpoint (id, company_id, integration_id, url, events, header_names, sealed_headers,
       sealed_secret, sealed_previous_secret, previous_secret_until, sealed_under)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $9::text IS NOT NULL THEN now() + interval '1 day' END, $10)`,
    [
      ...[id, integrationId ? null : companyId, integrationId ?? null, url, events, Object.keys(headers ?? {})],
      headers ? seal(JSON.stringify(headers), { endpointId: id, column: 'headers' }) : null,
      ...[sealed(secret), previousSecret ? sealed(previousSecret) : null, fingerprint],
    ],
  );
  return { id, secret };
}

interface SenderOptions {
  readonly meter?: Meter;
  /** API_KEY_SECRET_PREVIOUS. */
  readonly previousSecret?: string;
  readonly allowNetworks?: readonly string[];
  readonly resolve?: Resolve;
  readonly measureInterval?: number;
  readonly onError?: (error: unknown) => void;
  readonly onHealth?: (change: HealthChange) => void;
}

/**
 * Starts a webhook worker for a world, with the server's role. Stopped with the test, which fails on an error of the
 * worker.
 */
export function openSender(
  { databaseUrl, secret, limits }: Pick<World, 'databaseUrl' | 'secret' | 'limits'>,
  {
    meter = silent,
    previousSecret,
    allowNetworks = ['127.0.0.0/8'],
    resolve,
    measureInterval,
    onError,
    onHealth = () => {},
  }: SenderOptions = {},
) {
  const database = openLimited(limits, databaseUrl, 4);
  const errors: unknown[] = [];
  const sender = webhookWorker({
    ...{ database, secret, previousSecret, meter, allowHttp: true, allowNetworks },
    onHealth,
    onError: onError ?? ((error) => errors.push(error)),
    ...(limits === 'patient' && { attemptLimits: { longestAttempt: patience } }),
    ...(resolve && { resolve }),
    ...(measureInterval !== undefined && { measureInterval }),
  });
  let stopped: Promise<void> | undefined;
  const stop = (milliseconds = 0) => {
    stopped ??= sender.stop(milliseconds);
    return stopped;
  };
  onTestFinished(async () => {
    await stop();
    await database.close();
    if (errors.length > 0) throw new AggregateError(errors, 'the sender reported errors');
  });
  sender.start(true);
  return { wake: sender.wake, stop };
}

/** The deliveries of an endpoint, in order. */
export async function storedDeliveries({ sql }: Pick<World, 'sql'>, endpointId: string) {
  const { rows } = await sql.query(
    `SELECT id, event_id AS "eventId", event_type AS "eventType", agent_id AS "agentId", version, status, attempts,
            last_status AS "lastStatus", last_error AS "lastError", last_answer AS "lastAnswer",
            next_attempt_at AS "nextAttemptAt", leased_until AS "leasedUntil", lease, finished_at AS "finishedAt",
            extract(epoch FROM next_attempt_at - now())::float8 AS "secondsLeft"
       FROM webhook_delivery WHERE endpoint_id = $1 ORDER BY position`,
    [endpointId],
  );
  return rows;
}

/** The row of an endpoint. */
export async function storedEndpoint({ sql }: Pick<World, 'sql'>, id: string) {
  const { rows } = await sql.query('SELECT * FROM webhook_endpoint WHERE id = $1', [id]);
  return rows[0];
}

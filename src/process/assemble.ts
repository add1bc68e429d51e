import type { Logger } from 'pino';
import { historyBytes } from '../agents/history/repository.ts';
import { buildApp } from '../app.ts';
import type { KeySecrets } from '../auth/api-key.ts';
import { type Config, listed } from '../config.ts';
import { type Database, openDatabase } from '../database/client.ts';
import { migrationNames } from '../database/migrate.ts';
import { databaseId } from '../database/state.ts';
import { type Meter, silent } from '../metrics/meter.ts';
import { registeredTracing } from '../tracing/spans.ts';
import { logHealth } from '../webhooks/health-log.ts';
import { webhookWorker } from '../webhooks/worker.ts';
import type { Foundation } from './foundation.ts';

/**
 * Assembles all parts of a server from its configuration. Nothing is started yet.
 * @param droppedLogLines how many lines of the log were dropped so far
 */
export async function assemble(
  config: Config,
  foundation: Foundation & KeySecrets,
  logger: Logger,
  droppedLogLines: () => number,
) {
  const { databaseUrl, secret, previousSecret } = foundation;
  const database = openDatabase({
    url: databaseUrl,
    connections: config.DATABASE_POOL,
    preparedStatements: config.DATABASE_PREPARED_STATEMENTS,
    onIdleError: (err) => logger.warn({ err }, 'a database connection broke'),
  });
  // prom-client and ioredis are loaded only where they are used: a start without them takes a tenth less processor time.
  const metrics =
    config.METRICS_PORT === undefined
      ? undefined
      : (await import('../metrics/prometheus.ts')).prometheus({
          ...{ poolUse: database.poolUse, droppedLogLines },
          historyBytes: () => historyBytes(databaseUrl),
        });
  const counters =
    config.REDIS_URL === undefined ? undefined : await sharedCounts(config.REDIS_URL, database, logger, metrics?.meter);
  const webhookRules = { allowHttp: config.WEBHOOK_ALLOW_HTTP, allowNetworks: listed(config.WEBHOOK_ALLOW_NETWORKS) };
  const webhooks = webhookWorker({
    ...{ database, secret, previousSecret, meter: metrics?.meter ?? silent, ...webhookRules },
    onError: (err) => logger.warn({ err }, 'a task of the webhook worker failed and is tried again'),
    onHealth: logHealth(logger),
  });
  const migrations = await migrationNames();
  const app = await buildApp({
    ...{ database, secret, previousSecret, migrations, logger, webhookRules, onChange: webhooks.wake },
    trustedProxies: listed(config.TRUST_PROXY),
    keepAliveSeconds: config.KEEP_ALIVE_SECONDS,
    publicUrl: config.PUBLIC_URL,
    docs: config.DOCS,
    quotas: {
      perMinute: config.RATE_LIMIT_PER_MINUTE,
      perHour: config.RATE_LIMIT_PER_HOUR,
      refusedPerMinute: config.RATE_LIMIT_REFUSED_PER_MINUTE,
    },
    ...(counters && { counters }),
    ...(metrics && { meter: metrics.meter }),
    tracing: registeredTracing(),
  });
  return { app, database, metrics, counters, webhooks };
}

async function sharedCounts(url: string, database: Database, logger: Logger, meter?: Meter) {
  const { reportChanges, sharedCounters } = await import('../auth/shared-counters.ts');
  return sharedCounters({ url, deployment: await databaseId(database.query), onChange: reportChanges(logger, meter) });
}

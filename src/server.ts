import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { inspect } from 'node:util';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import type { KeySecrets } from './auth/api-key.ts';
import { reportPreviousSecret, requireKnownSecret } from './auth/secret.repository.ts';
import { type Config, readConfig } from './config.ts';
import { reasonOf } from './database/reasons.ts';
import { codeOf, StartError } from './errors.ts';
import type { Metrics } from './metrics/prometheus.ts';
import { metricsServer } from './metrics/server.ts';
import { demoText, prepareDemo } from './operator/demo.ts';
import { assemble } from './process/assemble.ts';
import { endSignals } from './process/end-signals.ts';
import { addEnvironmentFile } from './process/environment-file.ts';
import { checkDatabase, type Foundation, keySecrets, openFoundation } from './process/foundation.ts';
import { logOptions } from './process/log-options.ts';
import { endProcess, openStandardStream } from './process/standard-stream.ts';
import { readServerArguments } from './process/usage.ts';
import { flushSpans } from './tracing/spans.ts';
import { resealWebhooks } from './webhooks/reseal.repository.ts';
import { sealer } from './webhooks/sealer.ts';

const stdout = openStandardStream(1);
const stderr = openStandardStream(2);

/** The process: environment, (embedded) database, app, listen, drain. */
async function main(): Promise<void> {
  readServerArguments();
  const endSignal = firstEndSignal();
  for (const note of addEnvironmentFile(process.env)) stderr.write(`${note}\n`);
  const config = readConfig(process.env);
  const { databaseUrl, embedded } = await openFoundation(config, 'server');
  try {
    await serve(config, { databaseUrl, embedded, ...(await keySecrets(config)) }, endSignal);
  } catch (error) {
    await embedded?.close().catch(() => {});
    throw error;
  }
}

async function serve(config: Config, foundation: Foundation & KeySecrets, endSignal: Promise<string>): Promise<void> {
  const { databaseUrl, secret, previousSecret, embedded } = foundation;
  const warnings = embedded ? [] : await checkDatabase(databaseUrl, config);
  const logger = pino(logOptions(config.LOG_LEVEL, `${hostname()}-${process.pid}`), stdout);
  for (const warning of warnings) logger.warn(warning);
  const { app, database, metrics, counters, webhooks } = await assemble(config, foundation, logger, stdout.dropped);
  await app.ready();
  // The first statement loads Prisma's engine, which would delay the first requests.
  await database.state();
  const start = async () => {
    await database.typed((client) => requireKnownSecret(client, foundation));
    await database.typed((client) => reportPreviousSecret(client, foundation, logger));
    await resealWebhooks(database, sealer(foundation), logger);
    const demo = embedded && (await prepareDemo({ database, secret, previousSecret, dataDir: config.DATA_DIR }));
    // Last, as the start keeps the event loop busy: the time for an answer of Redis would pass.
    await counters?.open();
    const baseUrl = await listen(app, config);
    return { baseUrl, demo, closeMetrics: metrics && (await serveMetrics(metrics, config)) };
  };
  const { baseUrl, demo, closeMetrics } = await start().catch(async (error: unknown) => {
    await app.close();
    await database.close();
    throw error;
  });
  webhooks.start(config.WEBHOOKS);
  if (!config.WEBHOOKS) logger.warn('WEBHOOKS=false: this server sends no webhooks');
  const stop = async (signal: string) => {
    logger.info({ signal }, 'stopping');
    await Promise.all([drain(app, config), webhooks.stop(config.SHUTDOWN_GRACE_SECONDS * 1_000)]);
    await flushSpans().catch((err: unknown) => logger.warn({ err }, 'the last spans were not sent'));
    closeMetrics?.();
    counters?.close();
    await database.close();
    await embedded?.close();
    logger.info('stopped');
    await endProcess(0, stdout, stderr);
  };
  for (const note of embedded?.notes ?? []) stdout.write(`${note}\n`);
  stdout.write(`Listening on ${baseUrl}\n`);
  if (config.DOCS) stdout.write(`To read and try the API: ${baseUrl}/docs\n`);
  if (demo) stdout.write(`${demoText(demo, baseUrl)}\n`);
  await stop(await Promise.race([endSignal, embedded?.ended ?? endSignal]));
}

/** @returns the server's URL, for use on this machine */
async function listen(app: FastifyInstance, { HOST, PORT }: Config): Promise<string> {
  try {
    // Listen on one address: for `localhost`, Fastify would open a second server, without our listeners.
    const { address } = await lookup(HOST);
    const url = new URL(await app.listen({ host: address, port: PORT }));
    if (HOST === '0.0.0.0') url.hostname = '127.0.0.1';
    if (HOST === '::') url.hostname = '[::1]';
    return url.origin;
  } catch (error) {
    throw listenError(error, HOST, PORT);
  }
}

/** @returns a function that closes the server of the metrics */
async function serveMetrics(metrics: Metrics, { HOST, METRICS_PORT = 0 }: Config) {
  const server = metricsServer(metrics);
  try {
    const { address } = await lookup(HOST);
    server.listen(METRICS_PORT, address);
    await once(server, 'listening');
    return () => {
      server.close();
      server.closeAllConnections();
    };
  } catch (error) {
    throw listenError(error, HOST, METRICS_PORT, 'METRICS_PORT');
  }
}

/**
 * Why the server cannot listen.
 * @param name of the variable that holds the port
 * @returns a StartError, or the error itself if its code is not a known one
 */
function listenError(error: unknown, host: string, port: number, name = 'PORT'): unknown {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new StartError(
        `${name} ${port} on ${host} is taken by another program: stop that, or set another ${name}`,
      );
    case 'EACCES':
      return new StartError(`${name} ${port} needs rights that this user lacks: set another ${name}`);
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new StartError(`HOST ${host} is not an address of this machine: set another HOST`);
    default:
      return error;
  }
}

/**
 * Resolves at the first of `endSignals`, also during the start, so that PostgreSQL is always stopped. Further signals are
 * ignored: npm and the terminal can both send one.
 */
function firstEndSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of endSignals) process.on(signal, resolve);
  });
}

/** Waits for running requests; after the grace period, the remaining connections are closed. */
async function drain(app: FastifyInstance, { SHUTDOWN_GRACE_SECONDS }: Config): Promise<void> {
  const grace = setTimeout(() => app.closeConnections(), SHUTDOWN_GRACE_SECONDS * 1000);
  await app.close();
  clearTimeout(grace);
}

// Node prints the error and ends the process. If writing to stderr blocks, a signal must be able to end it.
process.on('uncaughtExceptionMonitor', () => {
  for (const signal of endSignals) process.removeAllListeners(signal);
  stdout.flushSync();
});

main().catch(async (error: unknown) => {
  stderr.write(`${reasonOf(error) ?? (error instanceof StartError ? error.message : inspect(error))}\n`);
  await endProcess(1, stdout, stderr);
});

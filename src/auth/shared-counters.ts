import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { isOfUnknownAuthority, StartError } from '../errors.ts';
import { afterReading, inTime } from '../http/in-time.ts';
import { type Meter, silent } from '../metrics/meter.ts';
import { type Counted, type Limit, memoryCounters } from './counters.ts';
import { redisCount } from './redis-count.ts';

/** Timeouts in milliseconds. A request waits for one answer of Redis at most; after a timeout, no request waits. */
const waits = {
  /** Also of all that ioredis asks on a new connection. */
  answer: 300,
  connection: 1_000,
  /** Pause before the next attempt to connect. */
  pause: 500,
} as const;

/** Maximum number of causes that are reported during one outage of Redis: their texts may all differ. */
const maxCauses = 10;

interface Options {
  /** The URL of Redis or Valkey. */
  readonly url: string;
  /** A prefix of the keys in Redis. Replicas with the same value share their counts. */
  readonly deployment: string;
  /**
   * Called when the counts become shared between replicas, and when they stop being shared, with the cause. During an
   * outage it is called once for each further cause.
   */
  readonly onChange: (isShared: boolean, cause?: Error) => void;
}

/**
 * Counts in Redis, shared by all replicas. While Redis does not answer, each replica counts in its own memory: requests do
 * not fail, and none waits longer than 300 ms for Redis.
 */
export function sharedCounters({ url, deployment, onChange }: Options) {
  const redis = new Redis(url, {
    lazyConnect: true,
    // Otherwise ioredis would wait while Redis loads its data, for however long. Without it the first count fails.
    enableReadyCheck: false,
    connectTimeout: waits.connection,
    disconnectTimeout: waits.pause,
    retryStrategy: () => waits.pause,
    // When the connection breaks, pending counts are made in memory at once and not sent to Redis later.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  });
  const countInRedis = redisCount(redis, deployment);
  let cancelGreeting = () => {};
  const own = memoryCounters();
  const report = changeReporter(onChange);

  /** Whether counts go to Redis: from the first count on a new connection to the first failure. */
  let isUsable = false;
  /** The last error of the current connection, or of the last attempt to connect. */
  let cause: Error | undefined;
  /** The selection of the database on a new connection, and the first count after it. */
  let selecting: Promise<void> | undefined;
  let starting: Promise<void> | undefined;

  /** Stops using Redis and reconnects. Until there is a new connection, no request waits for Redis. */
  function fail(error: unknown): void {
    isUsable = false;
    redis.disconnect(true);
    // If the connection was lost, the listener for `close` reports the cause.
    if (!(error instanceof NoAnswer || (error instanceof Error && isRefusal(error)))) return;
    cause = error;
    report.alone(error);
  }

  redis.on('error', (error) => {
    cause = error;
  });
  redis.on('connect', () => {
    cancelGreeting = afterReading(() => {
      if (redis.status === 'connect') fail(new NoAnswer());
    }, waits.answer);
  });
  redis.on('ready', () => {
    cancelGreeting();
    selecting = selectDatabase();
    starting = selecting.then(startUsing).catch(fail);
  });
  redis.on('close', () => {
    cancelGreeting();
    isUsable = false;
    report.alone(cause ?? new Error('Redis closed the connection'));
    cause = undefined;
  });

  /** Selects the database of the URL. If ioredis did it itself, it would continue in database 0 after a failure. */
  async function selectDatabase(): Promise<void> {
    const { db } = redis.options;
    if (db) await answered(redis.select(db));
  }

  /** Counts under a key of its own, because a Redis that is full or read-only refuses nothing but writes. */
  async function startUsing(): Promise<void> {
    await answered(countInRedis('start', [{ name: 'minute', limit: Number.MAX_SAFE_INTEGER }]));
    isUsable = true;
    report.shared();
  }

  function close(): void {
    redis.removeAllListeners('close');
    redis.disconnect();
  }

  return {
    async count(id: string, limits: readonly Limit[]): Promise<Counted> {
      try {
        if (isUsable) return await answered(countInRedis(id, limits));
      } catch (error) {
        if (isUsable) fail(error);
      }
      return own.count(id, limits);
    },

    /**
     * Connects. Resolves within two seconds even if that fails or Redis is loading its data; then it is retried until `close`.
     * @throws StartError if Redis refuses the database in the URL
     */
    async open(): Promise<void> {
      await redis.connect().catch(() => {});
      await selecting?.catch((error: unknown) => {
        if (!(error instanceof Error && isRefusal(error))) return;
        close();
        throw new StartError(`REDIS_URL: Redis refuses database ${redis.options.db}: ${error.message}`);
      });
      await starting;
    },

    close,
  };
}

class NoAnswer extends Error {
  override message = `Redis has not answered within ${waits.answer} ms`;
}

/** @throws NoAnswer if a call gets no answer in time */
const answered = <Answer>(call: Promise<Answer>) => inTime(call, waits.answer, () => new NoAnswer());

/** Calls `onChange` when counts are shared again, on each new connection, and during an outage once for each cause. */
function changeReporter(onChange: Options['onChange']) {
  /** Messages of the causes that were reported in this outage. */
  const reported = new Set<string>();
  return {
    shared(): void {
      reported.clear();
      onChange(true);
    },
    alone(cause: Error): void {
      if (reported.has(cause.message) || reported.size >= maxCauses) return;
      reported.add(cause.message);
      onChange(false, cause);
    },
  };
}

/** Whether an error is an answer of Redis. */
const isRefusal = ({ name }: Error) => name === 'ReplyError';

/** Makes an `onChange` for the log and the metrics. */
export const reportChanges =
  (logger: Logger, meter: Meter = silent): Options['onChange'] =>
  (isShared, err) => {
    meter.countsAreShared(isShared);
    if (isShared) {
      logger.info('rate limits are counted in Redis, together with the other replicas');
      return;
    }
    const remedy = isOfUnknownAuthority(err)
      ? ': name the file of its certificate authority in NODE_EXTRA_CA_CERTS'
      : '';
    logger.warn({ err }, `Redis cannot be used: rate limits are counted by this replica alone${remedy}`);
  };

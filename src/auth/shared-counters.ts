import { Redis, type Result } from 'ioredis';
import type { Logger } from 'pino';
import { StartError } from '../errors.ts';
import { type Meter, silent } from '../metrics/meter.ts';
import { type Counted, type Limit, lengths, memoryCounters } from './counters.ts';

/** Timeouts in milliseconds. A request waits for one answer of Redis at most; after a timeout, no request waits. */
const waits = {
  answer: 300,
  connection: 1_000,
  /** Pause before the next attempt to connect. */
  pause: 500,
} as const;

/** Maximum number of causes that are reported during one outage of Redis: their texts may all differ. */
const maxCauses = 10;

/**
 * A Lua script that counts in all windows or in none, by the clock of Redis. A window is a hash with `used` and `ends`, its
 * end in milliseconds since 1970, at which it expires.
 * @returns 1 if it was counted, else 0; the current time; then `used` and `ends` of each window
 */
const countInAll = `
local clock = redis.call('time')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local result = {1, now}
for at, key in ipairs(KEYS) do
  local found = redis.call('hmget', key, 'used', 'ends')
  local used, ends = tonumber(found[1] or nil), tonumber(found[2] or nil)
  if not used or not ends or ends <= now then
    used, ends = 0, now + ARGV[2 * at]
  end
  if used >= tonumber(ARGV[2 * at - 1]) then result[1] = 0 end
  result[2 * at + 1], result[2 * at + 2] = used, ends
end
if result[1] == 1 then
  for at, key in ipairs(KEYS) do
    local used, ends = result[2 * at + 1] + 1, result[2 * at + 2]
    result[2 * at + 1] = used
    redis.call('hset', key, 'used', used, 'ends', ends)
    redis.call('pexpireat', key, ends)
  end
end
return result`;

declare module 'ioredis' {
  interface RedisCommander<Context> {
    /** Takes the number of keys, the keys, then the limit and the length in milliseconds of each window. */
    countInAll(keys: number, ...parameters: (string | number)[]): Result<readonly number[], Context>;
  }
}

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
    commandTimeout: waits.answer,
    connectTimeout: waits.connection,
    disconnectTimeout: waits.pause,
    retryStrategy: () => waits.pause,
    // When the connection breaks, pending counts are made in memory at once and not sent to Redis later.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  });
  redis.defineCommand('countInAll', { lua: countInAll });
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
    if (!(error instanceof Error && (isRefusal(error) || error.message === 'Command timed out'))) return;
    cause = error;
    report.alone(error);
  }

  redis.on('error', (error) => {
    cause = error;
  });
  redis.on('ready', () => {
    selecting = selectDatabase();
    starting = selecting.then(startUsing).catch(fail);
  });
  redis.on('close', () => {
    isUsable = false;
    report.alone(cause ?? new Error('Redis closed the connection'));
    cause = undefined;
  });

  /** Selects the database of the URL. If ioredis did it itself, it would continue in database 0 after a failure. */
  async function selectDatabase(): Promise<void> {
    const { db } = redis.options;
    if (db) await redis.select(db);
  }

  /** Counts under a key of its own, because a Redis that is full or read-only refuses nothing but writes. */
  async function startUsing(): Promise<void> {
    await countInRedis('start', [{ name: 'minute', limit: Number.MAX_SAFE_INTEGER }]);
    isUsable = true;
    report.shared();
  }

  async function countInRedis(id: string, limits: readonly Limit[]): Promise<Counted> {
    const keys = limits.map(({ name }) => `interview-agents-api:${deployment}:{${id}}:${name}`);
    const sizes = limits.flatMap(({ name, limit }) => [limit, lengths[name]]);
    const [isCounted, now = 0, ...numbers] = await redis.countInAll(keys.length, ...keys, ...sizes);
    const counts = limits.map((limit, at) => {
      const [used = 0, endsAt = 0] = numbers.slice(2 * at);
      return { ...limit, used, endsIn: endsAt - now, endsAt };
    });
    return { isCounted: isCounted === 1, counts };
  }

  function close(): void {
    redis.removeAllListeners('close');
    redis.disconnect();
  }

  return {
    async count(id: string, limits: readonly Limit[]): Promise<Counted> {
      try {
        if (isUsable) return await countInRedis(id, limits);
      } catch (error) {
        if (isUsable) fail(error);
      }
      return own.count(id, limits);
    },

    /**
     * Connects. Resolves within two seconds even if that fails; connecting is then retried until `close`.
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

/** Calls `onChange` when an outage ends, which a new connection does, and during one once for each cause. */
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
    if (isShared) logger.info('rate limits are counted in Redis, together with the other replicas');
    else logger.warn({ err }, 'Redis cannot be used: rate limits are counted by this replica alone');
  };

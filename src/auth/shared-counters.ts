import { Redis, type Result } from 'ioredis';
import type { Logger } from 'pino';
import { type Meter, silent } from '../metrics/meter.ts';
import { StartError } from '../start-error.ts';
import { type Counted, type Counters, type Limit, lengths, memoryCounters } from './counters.ts';

/** Milliseconds. A request waits for at most one answer of Redis, and for none after one that did not come. */
const waits = {
  answer: 300,
  connection: 1_000,
  /** Before it is tried again to connect. */
  pause: 500,
} as const;

/** Causes that are reported at most while Redis cannot be used: a text may differ each time. */
const mostCauses = 10;

/**
 * Counts once in all windows or in none, by the clock of Redis alone. A window is a hash of what is used and when it ends,
 * in milliseconds since 1970; it expires then.
 * @returns whether it was counted (1 or 0), the time, and of each window what is used and when it ends
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
    /** First how many keys there are, then those, then of each window its limit and its length. */
    countInAll(keys: number, ...parameters: (string | number)[]): Result<readonly number[], Context>;
  }
}

interface Options {
  /** Redis or Valkey. */
  readonly url: string;
  /** Tells deployments apart that use one Redis: only replicas that give the same count together. */
  readonly deployment: string;
  /**
   * Told of each change: whether the counts are those of all replicas now, and if not, why. While they are not, told of each
   * further cause once.
   */
  readonly onChange: (isShared: boolean, cause?: Error) => void;
}

export interface SharedCounters extends Counters {
  /**
   * Connects. Resolves also where that fails, within a second or two: it is tried again until `close`.
   * @throws StartError where Redis does not have the database that the URL names
   */
  open(): Promise<void>;
  close(): void;
}

/**
 * Counts that all replicas share, in Redis. While it does not answer, each replica counts by itself, in memory: requests
 * go on, and none waits longer than a fraction of a second.
 */
export function sharedCounters({ url, deployment, onChange }: Options): SharedCounters {
  const redis = new Redis(url, {
    lazyConnect: true,
    commandTimeout: waits.answer,
    connectTimeout: waits.connection,
    disconnectTimeout: waits.pause,
    retryStrategy: () => waits.pause,
    // What was under way when the connection broke is counted in memory at once, never later.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  });
  redis.defineCommand('countInAll', { lua: countInAll });
  const own = memoryCounters();

  /** Whether Redis may be asked: from the selection of its database to the first failure. */
  let isUsable = false;
  let isShared: boolean | undefined;
  /** Why the connection failed that is open or was tried last. */
  let cause: Error | undefined;
  /** Texts of the causes that were reported since the counts were shared. */
  const reported = new Set<string>();
  /** The selection of the database on a new connection. */
  let selecting: Promise<void> | undefined;

  function share(): void {
    if (isShared) return;
    isShared = true;
    reported.clear();
    onChange(true);
  }

  function countAlone(why: Error): void {
    if (isShared === false && (reported.has(why.message) || reported.size >= mostCauses)) return;
    isShared = false;
    reported.add(why.message);
    onChange(false, why);
  }

  /** Redis is asked again once there is a new connection; until then no request waits for it. */
  function fail(error: unknown): void {
    isUsable = false;
    redis.disconnect(true);
    // Of a lost connection, `close` knows the cause.
    if (!(error instanceof Error && (isRefusal(error) || error.message === 'Command timed out'))) return;
    cause = error;
    countAlone(error);
  }

  redis.on('error', (error) => {
    cause = error;
  });
  redis.on('ready', () => {
    selecting = selectDatabase();
    selecting.catch(fail);
  });
  redis.on('close', () => {
    isUsable = false;
    countAlone(cause ?? new Error('Redis closed the connection'));
    cause = undefined;
  });

  /** Where it cannot be selected, ioredis would go on in database 0. */
  async function selectDatabase(): Promise<void> {
    const { db } = redis.options;
    if (db) await redis.select(db);
    isUsable = true;
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
    async count(id, limits) {
      if (!isUsable) return own.count(id, limits);
      try {
        const counted = await countInRedis(id, limits);
        // Another call may have failed meanwhile, and is right until the next connection.
        if (isUsable) share();
        return counted;
      } catch (error) {
        if (isUsable) fail(error);
        return own.count(id, limits);
      }
    },
    async open() {
      await redis.connect().catch(() => {});
      await selecting?.catch((error: unknown) => {
        if (!(error instanceof Error && isRefusal(error))) return;
        close();
        throw new StartError(`REDIS_URL: Redis refuses database ${redis.options.db}: ${error.message}`);
      });
    },
    close,
  };
}

/** Whether Redis itself answered with an error. */
const isRefusal = ({ name }: Error) => name === 'ReplyError';

/** @returns an `onChange` that tells the log and the metrics */
export const reportChanges =
  (logger: Logger, meter: Meter = silent): Options['onChange'] =>
  (isShared, err) => {
    meter.countsAreShared(isShared);
    if (isShared) logger.info('rate limits are counted in Redis, together with the other replicas');
    else logger.warn({ err }, 'Redis cannot be used: rate limits are counted by this replica alone');
  };

import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { type Count, type Counter, type Counters, countersOf, memoryCounters } from './counters.ts';

/** Milliseconds. A request waits for at most two answers of Redis, and for none after one that did not come. */
const waits = {
  answer: 300,
  connection: 1_000,
  /** Before it is tried again to connect. */
  pause: 500,
} as const;

interface Options {
  /** Redis or Valkey. */
  readonly url: string;
  /** Told of each change: whether the counts are those of all replicas now, and if not, why. */
  readonly onChange: (isShared: boolean, cause?: Error) => void;
}

export interface SharedCounters extends Counters {
  /** Connects. Resolves also where that fails, within a second or two: it is tried again until `close`. */
  open(): Promise<void>;
  close(): void;
}

/**
 * Counts that all replicas share, in Redis. While it does not answer, each replica counts by itself, in memory: requests
 * go on, and none waits longer than a fraction of a second.
 */
export function sharedCounters({ url, onChange }: Options): SharedCounters {
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
  const shared = countersOf((options) => {
    const keyPrefix = `interview-agents-api:${options.keyPrefix}`;
    return new RateLimiterRedis({ ...options, keyPrefix, storeClient: redis });
  });
  const own = memoryCounters();

  /** Whether Redis may be asked: from a connection's handshake to its first failure. */
  let isUsable = false;
  let isShared: boolean | undefined;
  let lastError: Error | undefined;

  /** The one place that knows of each change. */
  function tell(now: boolean): void {
    if (isShared === now) return;
    isShared = now;
    onChange(now, now ? undefined : lastError);
  }

  redis.on('error', (error) => {
    lastError = error;
  });
  redis.on('ready', () => {
    isUsable = true;
  });
  redis.on('close', () => {
    isUsable = false;
    tell(false);
  });

  async function ask(inRedis: () => Promise<Count>, inMemory: () => Promise<Count>): Promise<Count> {
    if (!isUsable) return inMemory();
    try {
      const count = await inRedis();
      // Another call may have failed meanwhile: its word counts, until the next connection.
      if (isUsable) tell(true);
      return count;
    } catch (error) {
      if (error instanceof Error) lastError = error;
      // A new connection tells whether Redis is well again; until then nobody waits for it.
      if (isUsable) redis.disconnect(true);
      isUsable = false;
      tell(false);
      return inMemory();
    }
  }

  const insured = (first: Counter, second: Counter): Counter => ({
    add: (id) =>
      ask(
        () => first.add(id),
        () => second.add(id),
      ),
    // What Redis counted is not in memory, to be taken back there.
    takeBack: (id) =>
      ask(
        () => first.takeBack(id),
        () => second.read(id),
      ),
    read: (id) =>
      ask(
        () => first.read(id),
        () => second.read(id),
      ),
  });
  return {
    minute: insured(shared.minute, own.minute),
    hour: insured(shared.hour, own.hour),
    refused: insured(shared.refused, own.refused),
    open: () => redis.connect().catch(() => {}),
    close() {
      redis.removeAllListeners('close');
      redis.disconnect();
    },
  };
}

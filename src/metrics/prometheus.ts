import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { batched, type Meter, type PoolUse, rateLimitReasons, retryReasons } from './meter.ts';

/** Buckets in seconds: from an answer without the database to the deadline of a request; a slow client takes longer. */
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export type Metrics = ReturnType<typeof prometheus>;

/** Values that are read at each scrape. */
interface Sources {
  readonly poolUse: () => PoolUse;
  /** Lines of the log that were dropped so far. */
  readonly droppedLogLines: () => number;
  /**
   * Bytes of the agents' history on disk, or undefined where they cannot be known now. Rejects while the database does not
   * answer, within a few seconds.
   */
  readonly historyBytes: () => Promise<number | undefined>;
}

/** A meter whose numbers Prometheus can read, and those of the process: event loop, memory, garbage collection. */
export function prometheus(sources: Sources) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metric = metricOf(registry);

  const requests = new Histogram({
    ...metric(
      'request_seconds',
      'Time from the head of a request until its answer is sent, with that in which the client sends its body and reads the answer',
      ['method', 'route', 'status', 'code'],
    ),
    buckets: seconds,
  });
  const sizes = new Histogram({
    ...metric('batch_size', 'Calls that one batch carries out together', ['of']),
    buckets: [1, 2, 4, 8, 16, 24, 32],
  });
  const waits = new Histogram({
    ...metric('batch_wait_seconds', 'Time that the first call of a batch has waited for it', ['of']),
    buckets: seconds,
  });
  const left = new Gauge(
    metric(
      'queue_length',
      'Calls left in the queue when the last batch began, or when the time of other calls was up; 0 once none waits',
      ['of'],
    ),
  );
  const repeats = new Counter(
    metric(
      'changes_repeated_total',
      'Changes that were tried again alone: another was written first or the row was locked (lost), the batch was undone (undone), the row or idempotency key was held for too long (held)',
      ['why'],
    ),
  );
  const refusals = new Counter(
    metric(
      'rate_limited_total',
      'Requests answered 429: of a key past its limits, or of an address that sent too many refused keys',
      ['whom'],
    ),
  );
  const shared = new Gauge(
    metric(
      'rate_limits_shared',
      '1 while the rate limits are counted in Redis for all replicas, 0 while this process counts alone',
    ),
  );
  const attempts = new Counter(
    metric(
      'webhook_attempts_total',
      'Attempts to deliver an event to a webhook endpoint: delivered, to be tried again (retried), or given up (failed)',
      ['outcome'],
    ),
  );
  const overdue = new Gauge(
    metric(
      'webhook_overdue_seconds',
      'Seconds by which the most overdue delivery is late, or the longest wait of one that this server sent in the last 15 seconds, if that is longer; failing endpoints do not count. While that cannot be measured, at least the time since it could',
    ),
  );
  const disabled = new Gauge(metric('webhook_endpoints_disabled', 'Webhook endpoints that are disabled'));
  const lost = new Gauge(
    metric('rate_limit_store_lost', '1 while REDIS_URL is set and this process counts alone, else 0'),
  );
  measureAtScrape(metric, sources);

  // Each series begins with 0 at the first scrape: a rate needs the value before the first count.
  for (const of of batched) {
    sizes.zero({ of });
    waits.zero({ of });
    left.set({ of }, 0);
  }
  for (const outcome of ['delivered', 'retried', 'failed']) attempts.inc({ outcome }, 0);
  for (const why of retryReasons) repeats.inc({ why }, 0);
  for (const whom of rateLimitReasons) refusals.inc({ whom }, 0);

  const meter: Meter = {
    request: (method, route, status, code, time) =>
      requests.observe({ method, route: route ?? 'none', status: status ?? 'none', code: code ?? 'none' }, time),
    batch(of, size, waited) {
      sizes.observe({ of }, size);
      waits.observe({ of }, waited);
    },
    queue: (of, count) => left.set({ of }, count),
    repeated: (why) => repeats.inc({ why }),
    rateLimited: (whom) => refusals.inc({ whom }),
    countsAreShared(isShared) {
      shared.set(isShared ? 1 : 0);
      lost.set(isShared ? 0 : 1);
    },
    delivery: (outcome) => attempts.inc({ outcome: outcome === 'PENDING' ? 'retried' : outcome.toLowerCase() }),
    webhooks({ overdueSeconds, disabledEndpoints }) {
      overdue.set(overdueSeconds);
      disabled.set(disabledEndpoints);
    },
  };
  return { meter, registry };
}

type Metric = ReturnType<typeof metricOf>;

/** Makes what all kinds of our metrics have in common: name, help text, labels, registry. */
const metricOf =
  (registry: Registry) =>
  <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) => ({
    ...{ name: `interview_agents_${name}`, help, labelNames },
    registers: [registry],
  });

function measureAtScrape(metric: Metric, { poolUse, droppedLogLines, historyBytes }: Sources): void {
  /** The running query, shared by both gauges of a scrape. */
  let asked: Promise<{ readonly isUp: boolean; readonly bytes?: number | undefined }> | undefined;
  const askDatabase = () => {
    asked ??= historyBytes()
      .then(
        (bytes) => ({ isUp: true, bytes }),
        () => ({ isUp: false }),
      )
      .finally(() => {
        asked = undefined;
      });
    return asked;
  };
  new Gauge({
    ...metric(
      'history_bytes',
      'Bytes of history and kept answers of agents on disk, with indexes, as they were last known',
    ),
    async collect() {
      const { bytes } = await askDatabase();
      if (bytes !== undefined) this.set(bytes);
    },
    // A Gauge begins with 0, from which the first size would look like growth.
  }).remove();
  new Gauge({
    ...metric('database_up', '1 where the database has answered when the metrics were read, else 0'),
    async collect() {
      const { isUp } = await askDatabase();
      this.set(isUp ? 1 : 0);
    },
  });
  new Gauge({
    ...metric('database_connections', 'Connections to the database: busy and idle ones, and calls that wait for one', [
      'state',
    ]),
    collect() {
      for (const [state, count] of Object.entries(poolUse())) this.set({ state }, count);
    },
  });
  new Counter({
    ...metric(
      'log_lines_dropped_total',
      'Lines of the log that were dropped: its reader is too slow or gone, or its disk is full',
    ),
    collect() {
      this.reset();
      this.inc(droppedLogLines());
    },
  });
}

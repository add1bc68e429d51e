import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { batched, limited, type Meter, type PoolUse, reasons } from './meter.ts';

const prefix = 'interview_agents_';

/** Buckets in seconds: from an answer without the database to the maximum duration of a request. */
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export type Metrics = ReturnType<typeof prometheus>;

/** Values that are read at each scrape. */
interface Sources {
  /** The use of the connections to the database. */
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
export function prometheus({ poolUse, droppedLogLines, historyBytes }: Sources) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];

  const requests = new Histogram({
    name: `${prefix}request_seconds`,
    help: 'Time from the arrival of a request to its answer, by method, route, status and code of the problem',
    labelNames: ['method', 'route', 'status', 'code'],
    buckets: seconds,
    registers,
  });
  const sizes = new Histogram({
    name: `${prefix}batch_size`,
    help: 'Calls that one batch carries out together',
    labelNames: ['of'],
    buckets: [1, 2, 4, 8, 16, 24, 32],
    registers,
  });
  const waits = new Histogram({
    name: `${prefix}batch_wait_seconds`,
    help: 'Time that the first call of a batch has waited for it',
    labelNames: ['of'],
    buckets: seconds,
    registers,
  });
  const left = new Gauge({
    name: `${prefix}queue_length`,
    help: 'Calls that went on waiting when the last batch began',
    labelNames: ['of'],
    registers,
  });
  const repeats = new Counter({
    name: `${prefix}changes_repeated_total`,
    help: 'Changes made once more: another came first or its row was locked (lost), its batch was undone (undone), it waited in vain for a row or an idempotency key (held)',
    labelNames: ['why'],
    registers,
  });
  const refusals = new Counter({
    name: `${prefix}rate_limited_total`,
    help: 'Requests answered 429: of a key past its limits, or of an address that sent too many refused keys',
    labelNames: ['whom'],
    registers,
  });
  const shared = new Gauge({
    name: `${prefix}rate_limits_shared`,
    help: '1 while the rate limits are counted in Redis for all replicas, 0 while this process counts alone',
    registers,
  });
  const attempts = new Counter({
    name: `${prefix}webhook_attempts_total`,
    help: 'Attempts to deliver an event to a webhook endpoint: delivered, to be tried again (retried), or given up (failed)',
    labelNames: ['outcome'],
    registers,
  });
  // Present from the first scrape on, so that a rate counts the first failure.
  for (const outcome of ['delivered', 'retried', 'failed']) attempts.inc({ outcome }, 0);
  const overdue = new Gauge({
    name: `${prefix}webhook_overdue_seconds`,
    help: 'How long the delivery of an event that is due longest has waited past its time, of endpoints that do not fail; the same from every server',
    registers,
  });
  const disabled = new Gauge({
    name: `${prefix}webhook_endpoints_disabled`,
    help: 'Webhook endpoints that are disabled',
    registers,
  });
  const lost = new Gauge({
    name: `${prefix}rate_limit_store_lost`,
    help: '1 while REDIS_URL is set and this process counts alone, else 0',
    registers,
  });
  /** The running query, shared by both gauges of a scrape and by concurrent scrapes. */
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
    name: `${prefix}history_bytes`,
    help: 'Bytes of the history of agents on disk, with its indexes, as they were last known',
    registers,
    async collect() {
      const { bytes } = await askDatabase();
      if (bytes !== undefined) this.set(bytes);
    },
  });
  new Gauge({
    name: `${prefix}database_up`,
    help: '1 where the database has answered when the metrics were read, else 0',
    registers,
    async collect() {
      const { isUp } = await askDatabase();
      this.set(isUp ? 1 : 0);
    },
  });
  new Gauge({
    name: `${prefix}database_connections`,
    help: 'Connections to the database: busy and idle ones, and calls that wait for one',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(poolUse())) this.set({ state }, count);
    },
  });
  new Counter({
    name: `${prefix}log_lines_dropped_total`,
    help: 'Lines of the log that were dropped: its reader is too slow or gone, or its disk is full',
    registers,
    collect() {
      this.reset();
      this.inc(droppedLogLines());
    },
  });

  // Initialize the series with 0: a rate needs the value before the first count.
  for (const of of batched) {
    sizes.zero({ of });
    waits.zero({ of });
    left.set({ of }, 0);
  }
  for (const why of reasons) repeats.inc({ why }, 0);
  for (const whom of limited) refusals.inc({ whom }, 0);

  const meter: Meter = {
    request: (method, route, status, code, time) =>
      requests.observe({ method, route: route ?? 'none', status: status ?? 'none', code: code ?? 'none' }, time),
    batch(of, size, waited, queued) {
      sizes.observe({ of }, size);
      waits.observe({ of }, waited);
      left.set({ of }, queued);
    },
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

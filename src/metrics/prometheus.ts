import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Meter, PoolUse } from './meter.ts';

const prefix = 'interview_agents_';

/** Seconds: from an answer out of memory to the longest that a request may take. */
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export type Metrics = ReturnType<typeof prometheus>;

/**
 * A meter whose numbers Prometheus can read, and those of the process: event loop, memory, garbage collection.
 * @param pool how the database's connections are used, asked at each reading
 * @param droppedLogLines lines of the log that were dropped so far, asked at each reading
 */
export function prometheus(pool: () => PoolUse, droppedLogLines: () => number) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];

  const requests = new Histogram({
    name: `${prefix}request_seconds`,
    help: 'Time from the arrival of a request to its answer, by method, route and status',
    labelNames: ['method', 'route', 'status'],
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
  const overdue = new Gauge({
    name: `${prefix}webhook_overdue_seconds`,
    help: 'How long the delivery that is due longest has waited past its time, for endpoints that are enabled; of all replicas together',
    registers,
  });
  const disabled = new Gauge({
    name: `${prefix}webhook_endpoints_disabled`,
    help: 'Webhook endpoints that are disabled',
    registers,
  });
  new Gauge({
    name: `${prefix}database_connections`,
    help: 'Connections to the database: busy and idle ones, and calls that wait for one',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(pool())) this.set({ state }, count);
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

  const meter: Meter = {
    request: (method, route, status, time) =>
      requests.observe({ method, route: route ?? 'none', status: status ?? 'none' }, time),
    batch(of, size, waited, queued) {
      sizes.observe({ of }, size);
      waits.observe({ of }, waited);
      left.set({ of }, queued);
    },
    repeated: (why) => repeats.inc({ why }),
    rateLimited: (whom) => refusals.inc({ whom }),
    countsAreShared: (isShared) => shared.set(isShared ? 1 : 0),
    delivery: (outcome) => attempts.inc({ outcome: outcome === 'PENDING' ? 'retried' : outcome.toLowerCase() }),
    webhooks({ overdueSeconds, disabledEndpoints }) {
      overdue.set(overdueSeconds);
      disabled.set(disabledEndpoints);
    },
  };
  return { meter, registry };
}

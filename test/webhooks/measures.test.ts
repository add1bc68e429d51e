import { expect, onTestFinished, test } from 'vitest';
import { silent } from '../../src/metrics/meter.ts';
import { webhookWorker } from '../../src/webhooks/worker.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('while nothing can be measured, deliveries count as overdue since the last measurement', async () => {
  const database = openLimited(world.limits, world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const seen: number[] = [];
  let isBroken = false;
  const worker = webhookWorker({
    database: {
      query: (statement) => (isBroken ? Promise.reject(new Error('the time is over')) : database.query(statement)),
    },
    meter: { ...silent, webhooks: ({ overdueSeconds }) => seen.push(overdueSeconds) },
    ...{ secret: world.secret, previousSecret: undefined, allowHttp: true, allowNetworks: [], measureInterval: 50 },
    onError: () => {},
    onHealth: () => {},
  });
  onTestFinished(() => worker.stop(0));
  worker.start(false);
  await expect.poll(() => seen.length).toBeGreaterThan(2);
  expect(Math.max(...seen)).toBe(0);
  isBroken = true;
  await expect.poll(() => seen.at(-1)).toBeGreaterThanOrEqual(2);
  isBroken = false;
  await expect.poll(() => seen.at(-1)).toBe(0);
});

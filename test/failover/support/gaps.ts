import { setTimeout as delay } from 'node:timers/promises';
import { tickedTime } from '../../support/ticks.ts';
import type { Cluster } from './cluster.ts';

/**
 * Measures the time without a primary, and the time without a primary that has a synchronous standby.
 * @returns stops the measurement and returns both times in milliseconds
 */
export function watchGaps(cluster: Cluster) {
  let isOver = false;
  const missing = { primary: 0, pair: 0 };
  const running = (async () => {
    for (let last = tickedTime(); !isOver; ) {
      const [primary, pair] = await Promise.all([cluster.primary(), cluster.pair()]);
      const now = tickedTime();
      if (!primary) missing.primary += now - last;
      if (!pair) missing.pair += now - last;
      last = now;
      await delay(50);
    }
  })();
  running.catch(() => {});
  return async () => {
    isOver = true;
    await running;
    return missing;
  };
}

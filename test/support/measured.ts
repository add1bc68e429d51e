import { prometheus } from '../../src/metrics/prometheus.ts';
import { openAnotherServer } from './another-server.ts';
import type { TimeLimits } from './time-limits.ts';
import type { World } from './world.ts';

/** A server with metrics, and a reader of its samples. */
export async function openMeasured(world: World, limits?: TimeLimits) {
  const metrics = prometheus({
    poolUse: () => ({ busy: 1, idle: 2, waiting: 3 }),
    droppedLogLines: () => 0,
    historyBytes: async () => 0,
  });
  const server = await openAnotherServer(world, {
    meter: metrics.meter,
    ...(limits && { limits }),
    quotas: { perMinute: 0, perHour: 0, refusedPerMinute: 1 },
  });
  /** The value of a sample, by name and labels as in the text format; 0 if it is missing. */
  const read = async (sample: string): Promise<number> => {
    const line = (await metrics.registry.metrics()).split('\n').find((text) => text.startsWith(`${sample} `));
    return Number(line?.slice(sample.length + 1) ?? 0);
  };
  return { ...server, read };
}

import { setTimeout as delay } from 'node:timers/promises';
import { full, soaked } from './plan.ts';
import type { Contestant } from './processes.ts';
import { median, type Soak } from './results.ts';
import { onStages } from './stage.ts';
import type { Workbench } from './workbench.ts';

/** The seconds over which growth is measured, and the seconds at either end whose median is used. */
const observed = 180;
const smoothed = 30;

/** Runs this server at full load for some minutes, and measures its memory each second. */
export function soak(bench: Workbench, minutes: number): Promise<Soak> {
  return onStages(bench, [soaked], async ([stage]) => {
    const [contestant] = stage?.contestants ?? [];
    if (!stage || !contestant) throw new Error('nothing to watch');
    const load = stage.fire(full, minutes * 60);
    const over = load.then(
      () => {},
      () => {},
    );
    const samples = await sample(contestant, over);
    const report = await load;
    const last = samples.slice(-observed);
    const memory = median(last.slice(-smoothed));
    return {
      date: new Date().toISOString(),
      minutes,
      requestsPerSecond: report.requests / report.seconds,
      memory,
      peakMemory: (await contestant.read()).peak / 2 ** 20,
      growth: memory - median(last.slice(0, smoothed)),
    };
  });
}

/** MB in use, each second until a task ends. */
async function sample(contestant: Contestant, over: Promise<void>): Promise<number[]> {
  const samples: number[] = [];
  let going = true;
  over.then(() => {
    going = false;
  });
  while (going) {
    samples.push((await contestant.read()).memory / 2 ** 20);
    await Promise.race([over, delay(1_000)]);
  }
  return samples;
}

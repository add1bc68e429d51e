import { readFile } from 'node:fs/promises';
import { type Behaviour, behaviourOf, requireEqual } from './equal.ts';
import { full, type Section } from './plan.ts';
import type { Round } from './results.ts';
import { cpuOf, onStages, type Stage, storesIn } from './stage.ts';
import { storedIn, verify } from './verify.ts';
import type { Workbench } from './workbench.ts';

interface Length {
  readonly warmUp: number;
  readonly seconds: number;
}

/**
 * One round of a section: at each number of connections all cases are measured, one after the other.
 * @param number of the round, from 1
 */
export function measureRound(bench: Workbench, section: Section, number: number, length: Length): Promise<Round[]> {
  return onStages(bench, section.cases, async (stages) => {
    for (const stage of stages) {
      await requireEqualWork(stage, bench);
      // With few connections it would take minutes until the engine has compiled the frequently used code.
      await stage.fire(full, 2 * length.warmUp);
    }
    const rounds: Round[] = [];
    for (const connections of section.connections) {
      for (const stage of stages.filter(({ entry }) => entry.connections.includes(connections))) {
        rounds.push({ round: number, ...(await measure(bench, stage, connections, length)) });
      }
    }
    return rounds;
  });
}

async function measure({ databases }: Workbench, stage: Stage, connections: number, length: Length) {
  const { entry, contestants, fire } = stage;
  await fire(connections, length.warmUp);
  const before = await storedIn(stage);
  const cpuBefore = await cpuOf(contestants);
  const postgresBefore = await databases.processorTime();
  const report = await fire(connections, length.seconds);
  if (report.requests === 0) throw new Error(`${entry.title} answered nothing in ${length.seconds} s: measure longer`);
  const cpu = (await cpuOf(contestants)) - cpuBefore;
  const postgres = await databases.processorTime();
  const readings = await Promise.all(contestants.map((one) => one.read()));
  if (storesIn(entry)) await verify(stage, before, { connections, acknowledged: report.requests });
  const perThousand = (time: number) => (time / report.requests) * 1000;
  return {
    title: entry.title,
    connections,
    requestsPerSecond: report.requests / report.seconds,
    p50: report.p50,
    p99: report.p99,
    cpuPerThousand: perThousand(cpu),
    ...(postgres !== undefined &&
      postgresBefore !== undefined && { postgresCpuPerThousand: perThousand(postgres - postgresBefore) }),
    peakMemory: readings.reduce((sum, { peak }) => sum + peak, 0) / 2 ** 20,
    acknowledged: report.requests,
  };
}

const behaviours = new Map<string, { readonly title: string; readonly behaviour: Behaviour }>();

/** Compares the answers and rows of a contestant with those of the first one on the same data. */
async function requireEqualWork({ entry, contestants, client }: Stage, { targetsOf }: Workbench) {
  const { title, dataset, load } = entry;
  const [contestant] = contestants;
  if (!contestant || !storesIn(entry)) return;
  const [first, ...others] = (await readFile(targetsOf(dataset, 'agents'), 'utf8')).split('\n', 100).map(targetIn);
  const foreign = others.find(({ key }) => key !== first?.key);
  if (!first || !foreign) throw new Error('too few agents');
  const behaviour = await behaviourOf(contestant.port, first, foreign.path, { client, reads: load.reads > 0 });
  const subject = `${dataset.name} ${load.reads > 0}`;
  const known = behaviours.get(subject) ?? { title, behaviour };
  behaviours.set(subject, known);
  requireEqual(title, behaviour, known.title, known.behaviour);
}

function targetIn(line: string) {
  const [path = '', key = ''] = line.split(' ');
  return { path, key };
}

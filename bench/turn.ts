import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { withClient } from './databases.ts';
import { type Conduct, conductOf, requireEqual } from './equal.ts';
import { type Case, full } from './plan.ts';
import { type Contestant, startContestant } from './processes.ts';
import type { Round } from './results.ts';
import { storedIn, verify } from './verify.ts';
import type { Workbench } from './workbench.ts';

interface Length {
  readonly warmUp: number;
  readonly seconds: number;
}

/** The turn of a case: fresh processes over a fresh copy of its dataset, measured at each number of connections. */
export async function takeTurn(
  bench: Workbench,
  entry: Case,
  connections: readonly number[],
  length: Length,
): Promise<Round[]> {
  return await onStage(bench, entry, async (stage) => {
    await requireEqualWork(stage, entry, bench);
    // At few connections alone it would take minutes until the engine has compiled all that is used often.
    if (connections[0] !== full) await stage.fire(full, length.warmUp);
    const rounds: Round[] = [];
    for (const count of connections) rounds.push(await measure(stage, entry, count, length));
    return rounds;
  });
}

/** All that stands ready for a case. */
export interface Stage {
  readonly contestants: readonly Contestant[];
  /** To look into the database; undefined for the contestant that writes nothing. */
  readonly client: pg.Client | undefined;
  /** Makes a load. */
  fire(connections: number, seconds: number): ReturnType<Workbench['generator']['run']>;
}

/** Sets the stage for a case, and clears it however the task ends. */
export async function onStage<Result>(
  { databases, generator, secret, folder, targetsOf }: Workbench,
  { contestant, dataset, processes, hot }: Case,
  task: (stage: Stage) => Promise<Result>,
): Promise<Result> {
  await databases.prepare(dataset, { all: targetsOf(dataset, false), one: targetsOf(dataset, true) });
  const databaseUrl = await databases.copy(dataset);
  const contestants: Contestant[] = [];
  try {
    for (let place = 0; place < processes; place += 1) {
      const log = join(folder, `${contestant}-${place}.log`);
      contestants.push(await startContestant(contestant, { databaseUrl, secret, log }));
    }
    let loads = 0;
    return await withClient(databaseUrl, (client) =>
      task({
        contestants,
        client: contestant === 'no-op' ? undefined : client,
        fire(connections, seconds) {
          loads += 1;
          return generator.run({
            ports: contestants.map(({ port }) => port),
            connections,
            seconds,
            targets: targetsOf(dataset, hot),
            bodies: join(folder, `${dataset.metadata}.bodies`),
            first: loads * 1e9,
          });
        },
      }),
    );
  } finally {
    await Promise.all(contestants.map((one) => one.stop()));
    await databases.drop();
  }
}

async function measure({ contestants, client, fire }: Stage, entry: Case, connections: number, length: Length) {
  await fire(connections, length.warmUp);
  const before = client && (await storedIn(client));
  const cpuBefore = await cpuOf(contestants);
  const report = await fire(connections, length.seconds);
  const cpu = (await cpuOf(contestants)) - cpuBefore;
  const readings = await Promise.all(contestants.map((one) => one.read()));
  if (client && before) await verify(client, before, report.requests, connections);
  return {
    title: entry.title,
    connections,
    requestsPerSecond: report.requests / report.seconds,
    p50: report.p50,
    p99: report.p99,
    cpuPerThousand: (cpu / report.requests) * 1000,
    peakMemory: readings.reduce((sum, { peak }) => sum + peak, 0) / 2 ** 20,
    acknowledged: report.requests,
  };
}

async function cpuOf(contestants: readonly Contestant[]): Promise<number> {
  const readings = await Promise.all(contestants.map((one) => one.read()));
  return readings.reduce((sum, { cpu }) => sum + cpu, 0);
}

const conducts = new Map<string, { readonly title: string; readonly conduct: Conduct }>();

/** Compares what the contestant does with what the first one did on the same data. */
async function requireEqualWork({ contestants, client }: Stage, { title, dataset }: Case, { targetsOf }: Workbench) {
  const [contestant] = contestants;
  if (!contestant || !client) return;
  const [first, ...others] = (await readFile(targetsOf(dataset, false), 'utf8')).split('\n', 100).map(targetIn);
  const foreign = others.find(({ key }) => key !== first?.key);
  if (!first || !foreign) throw new Error('too few agents');
  const conduct = await conductOf(contestant.port, first, foreign.agent, client);
  const known = conducts.get(dataset.name) ?? { title, conduct };
  conducts.set(dataset.name, known);
  requireEqual(title, conduct, known.title, known.conduct);
}

function targetIn(line: string) {
  const [agent = '', key = ''] = line.split(' ');
  return { agent, key };
}

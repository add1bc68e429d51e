import { join } from 'node:path';
import pg from 'pg';
import type { Case } from './plan.ts';
import { type Contestant, startContestant } from './processes.ts';
import type { Workbench } from './workbench.ts';

/** A case that is ready to be measured: its processes run on a fresh copy of its dataset. */
export interface Stage {
  readonly entry: Case;
  readonly contestants: readonly Contestant[];
  /** A connection to the database for checks. */
  readonly client: pg.Client;
  /** Runs a load. */
  fire(connections: number, seconds: number): ReturnType<Workbench['generator']['run']>;
  close(): Promise<void>;
}

/** Milliseconds of processor time of some processes since their start. */
export async function cpuOf(contestants: readonly Contestant[]): Promise<number> {
  const readings = await Promise.all(contestants.map((one) => one.read()));
  return readings.reduce((sum, { cpu }) => sum + cpu, 0);
}

/** Whether a contestant stores what it answers. */
export const storesIn = ({ contestant }: Case) => contestant !== 'no-op' && contestant !== 'bare-fastify';

/** Opens a stage for each case, and closes all of them however the task ends. */
export async function onStages<Result>(
  bench: Workbench,
  cases: readonly Case[],
  task: (stages: readonly Stage[]) => Promise<Result>,
): Promise<Result> {
  const stages: Stage[] = [];
  try {
    for (const [place, entry] of cases.entries()) stages.push(await openStage(bench, entry, `stage_${place}`));
    return await task(stages);
  } finally {
    for (const stage of stages) await stage.close();
  }
}

/** @param name of the copy of the dataset */
async function openStage(
  { databases, generator, secret, folder, targetsOf }: Workbench,
  entry: Case,
  name: string,
): Promise<Stage> {
  const { contestant, dataset, processes, load } = entry;
  await databases.prepare(dataset, (kind) => targetsOf(dataset, kind));
  const databaseUrl = await databases.copy(dataset, name);
  const contestants: Contestant[] = [];
  // Without a time limit.
  const client = new pg.Client({ connectionString: databaseUrl, options: '-c statement_timeout=0 -c lock_timeout=0' });
  let loads = 0;
  const stage: Stage = {
    entry,
    contestants,
    client,
    fire(connections, seconds) {
      loads += 1;
      return generator.run({
        ports: contestants.map(({ port }) => port),
        connections,
        seconds,
        reads: load.reads,
        targets: targetsOf(dataset, load.targets),
        bodies: join(folder, `${dataset.metadata}.bodies`),
        first: loads * 1e9,
      });
    },
    async close() {
      await Promise.all(contestants.map((one) => one.stop()));
      await client.end();
      await databases.drop(name);
    },
  };
  try {
    await client.connect();
    for (let process = 0; process < processes; process += 1) {
      const log = join(folder, `${name}-${process}.log`);
      contestants.push(await startContestant(contestant, { databaseUrl, secret, log }));
    }
    return stage;
  } catch (error) {
    await stage.close();
    throw error;
  }
}

import { describeMachine } from './machine.ts';
import { type Options, readOptions, usage } from './options.ts';
import { full, planOf } from './plan.ts';
import { interrupt } from './processes.ts';
import { publish, readResults, readSoak } from './publish.ts';
import { tableOf, targetsTable, toText } from './report.ts';
import { type Results, type Round, toRows } from './results.ts';
import { measureRound } from './round.ts';
import { soak } from './soak.ts';
import { judge } from './targets.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

const say = (text: string) => process.stderr.write(`${text}\n`);

/** Runs the benchmark: starts everything, measures, reports and cleans up. */
async function main(): Promise<void> {
  const commandLine = process.argv.slice(2);
  if (commandLine.includes('--help')) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const options = readOptions(commandLine);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  const bench = await openWorkbench();
  try {
    await (options.soak === undefined ? compare(bench, options) : soakAndKeep(bench, options.soak));
  } finally {
    await bench.close();
  }
}

async function compare(bench: Workbench, options: Options): Promise<void> {
  const rows = toRows(await measureRounds(bench, options));
  const soaked = await readSoak();
  const found: Results = {
    date: new Date().toISOString(),
    machine: describeMachine(),
    postgres: await bench.databases.facts(),
    loadGenerator: bench.generator.name,
    rounds: options.rounds,
    secondsPerRound: options.seconds,
    warmUpSeconds: options.warmUp,
    rows,
    ...(soaked && { soak: soaked }),
    targets: judge(rows, soaked),
  };
  console.log(toText(found));
  say(`\nwritten: results.json and results.svg in ${await publish(found, options.complete)}`);
}

async function measureRounds(bench: Workbench, options: Options): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const section of planOf(options)) {
      const measured = await measureRound(bench, section, round, options);
      say(`round ${round} of ${options.rounds}\n${tableOf(measured)}`);
      rounds.push(...measured);
    }
  }
  return rounds;
}

/** A soak runs separately: its result is kept beside those of the last complete run. */
async function soakAndKeep(bench: Workbench, minutes: number): Promise<void> {
  say(`${minutes} minutes at ${full} connections`);
  const soaked = await soak(bench, minutes);
  console.log(JSON.stringify(soaked, undefined, 2));
  console.log(targetsTable(judge([], soaked).filter(({ met }) => met !== undefined)));
  const known = await readResults();
  if (known) await publish({ ...known, soak: soaked, targets: judge(known.rows, soaked) }, true);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

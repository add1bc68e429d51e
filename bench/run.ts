import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { describeMachine } from './machine.ts';
import { type Options, readOptions } from './options.ts';
import { full, planOf } from './plan.ts';
import { plot } from './plot.ts';
import { interrupt } from './processes.ts';
import { tableOf, targetsTable, toText } from './report.ts';
import { type Results, type Round, type Soak, soakSchema, toRows } from './results.ts';
import { soak } from './soak.ts';
import { judge } from './targets.ts';
import { takeTurn } from './turn.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const results = file('results.json');
const say = (text: string) => process.stderr.write(`${text}\n`);

/** The benchmark: everything is started, measured, reported and cleared away. */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  const bench = await openWorkbench();
  try {
    await (options.soak === undefined ? compare(bench, options) : soakAndKeep(bench, options.soak));
  } finally {
    await bench.close();
  }
}

async function compare(bench: Workbench, options: Options): Promise<void> {
  const rows = toRows(await takeTurns(bench, options));
  const kept = await keptSoak();
  const found: Results = {
    date: new Date().toISOString(),
    machine: describeMachine(),
    postgres: await bench.databases.facts(),
    loadGenerator: bench.generator.name,
    rounds: options.rounds,
    secondsPerRound: options.seconds,
    warmUpSeconds: options.warmUp,
    rows,
    soak: kept,
    targets: judge(rows, kept),
  };
  console.log(toText(found));
  // Only a complete run replaces what stands in the repository.
  const folder = options.complete ? '.' : '.out';
  await mkdir(file(folder), { recursive: true });
  await writeJson(file(`${folder}/results.json`), found);
  await writeFile(file(`${folder}/results.svg`), plot(found));
  say(`\nwritten: ${file(`${folder}/results.json`)}, results.svg`);
}

/** Within a section all cases take their turn before any of them takes the next. */
async function takeTurns(bench: Workbench, options: Options): Promise<Round[]> {
  const rounds: Round[] = [];
  for (const { cases, connections } of planOf(options)) {
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const entry of cases) {
        const measured = await takeTurn(bench, entry, connections, options);
        say(`round ${round} of ${options.rounds}\n${tableOf(measured)}`);
        rounds.push(...measured);
      }
    }
  }
  return rounds;
}

/** A soak takes its own time: its result is kept beside those of the last complete run. */
async function soakAndKeep(bench: Workbench, minutes: number): Promise<void> {
  say(`${minutes} minutes at ${full} connections`);
  const soaked = await soak(bench, minutes);
  console.log(JSON.stringify(soaked, undefined, 2));
  console.log(targetsTable(judge([], soaked).filter(({ met }) => met !== undefined)));
  const known = await readResults();
  await writeJson(results, { ...Object(known), soak: soaked });
}

async function keptSoak(): Promise<Soak | undefined> {
  const known = await readResults();
  return Value.Check(Type.Object({ soak: soakSchema }), known) ? known.soak : undefined;
}

async function readResults(): Promise<unknown> {
  const text = await readFile(results, 'utf8').catch(() => '{}');
  return JSON.parse(text);
}

const writeJson = (path: string, value: unknown) => writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`);

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

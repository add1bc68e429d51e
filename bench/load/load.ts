import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Value } from '@sinclair/typebox/value';
import { built, finish } from '../processes.ts';
import { type LoadOrder, type LoadReport, loadReportSchema } from './order.ts';

/** The load generator: wrk if it is installed, because it needs less processor time, otherwise autocannon. */
export interface LoadGenerator {
  /** Name and version. */
  readonly name: string;
  run(order: LoadOrder): Promise<LoadReport>;
}

/** @param autocannonVersion for the name, if wrk is missing */
export function findLoadGenerator(autocannonVersion: string): LoadGenerator {
  const version = wrkVersion();
  return version === undefined
    ? { name: `autocannon ${autocannonVersion}`, run: (order) => withoutFailures(runAutocannon(order)) }
    : { name: version, run: (order) => withoutFailures(runWrk(order)) };
}

function wrkVersion(): string | undefined {
  try {
    // It prints its version with a usage text and exits with an error.
    execFileSync('wrk', ['--version'], { stdio: 'pipe' });
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    return /^wrk \S+/.exec(output)?.[0];
  }
  return undefined;
}

function runWrk(order: LoadOrder): Promise<string> {
  const { ports, connections, seconds } = order;
  const script = fileURLToPath(new URL('wrk.lua', import.meta.url));
  const shape = [`-t${ports.length}`, `-c${connections}`, `-d${seconds}s`, '--timeout', '30s'];
  return finish('wrk', [...shape, '-s', script, `http://127.0.0.1:${ports[0]}`], {
    BENCH_TARGETS: order.targets,
    BENCH_READS: String(order.reads),
    BENCH_BODIES: order.bodies,
    BENCH_PORTS: ports.join(' '),
    BENCH_FIRST: String(order.first),
  });
}

function runAutocannon(order: LoadOrder): Promise<string> {
  return finish(process.execPath, [built('bench/load/autocannon.js'), JSON.stringify(order)], {});
}

async function withoutFailures(output: Promise<string>): Promise<LoadReport> {
  const line = (await output).split('\n').find((text) => text.startsWith('{')) ?? 'null';
  const report = Value.Parse(loadReportSchema, JSON.parse(line));
  if (report.failures > 0) throw new Error(`${report.failures} of ${report.requests} requests failed`);
  return report;
}

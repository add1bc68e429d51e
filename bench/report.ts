import type { Judged, Measured, Results } from './results.ts';
import { reachedText, targetText, verdictOf } from './targets.ts';

/** The results of a run, as tables for a terminal. */
export function toText(results: Results): string {
  return [aboutIn(results).join('\n'), tableOf(results.rows), targetsTable(results.targets)].join('\n\n');
}

/** The facts on which the numbers depend, in sentences. */
export function aboutIn({ date, machine, postgres, loadGenerator, rounds, secondsPerRound }: Results): string[] {
  const { processor, cores, memoryGb, system, node, packages } = machine;
  const { server_version, ...settings } = postgres;
  const list = (values: object) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  return [
    `${processor}, ${cores} cores, ${memoryGb} GB, ${system}`,
    `Node ${node}, ${list(packages)}`,
    `PostgreSQL ${server_version} (${list(settings)})`,
    `${loadGenerator} on the same machine; ${rounds === 1 ? 'one round' : `median of ${rounds} rounds`} of ${secondsPerRound} s; ${date.slice(0, 10)}`,
  ];
}

export function tableOf(rows: readonly Measured[]): string {
  return aligned([
    ['', 'connections', 'requests/s', 'p50 ms', 'p99 ms', 'cpu ms/1,000', 'PostgreSQL', 'peak MB'],
    ...rows.map((row) => [
      row.title,
      String(row.connections),
      row.requestsPerSecond.toFixed(0),
      row.p50.toFixed(2),
      row.p99.toFixed(2),
      row.cpuPerThousand.toFixed(0),
      row.postgresCpuPerThousand?.toFixed(0) ?? '',
      row.peakMemory.toFixed(0),
    ]),
  ]);
}

export function targetsTable(targets: readonly Judged[]): string {
  return aligned([
    ['', 'target', 'reached', ''],
    ...targets.map((judged) => [judged.what, targetText(judged), reachedText(judged), verdictOf(judged)]),
  ]);
}

/** Columns of equal width, all except the first aligned right. */
export function aligned(lines: readonly (readonly string[])[]): string {
  const width = (column: number) => Math.max(...lines.map((line) => line[column]?.length ?? 0));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(width(column)) : cell.padStart(width(column))))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

import { type Static, Type } from '@sinclair/typebox';
import type { Machine } from './machine.ts';

/** What was measured of one case at one number of connections: in one round, or the median of its rounds. */
export interface Measured {
  readonly title: string;
  readonly connections: number;
  readonly requestsPerSecond: number;
  /** Milliseconds until an answer. */
  readonly p50: number;
  readonly p99: number;
  /** Milliseconds of processor time, of the user and of the system, for 1,000 requests. */
  readonly cpuPerThousand: number;
  /** MB of memory at most since the process began, all processes together. */
  readonly peakMemory: number;
}

export interface Round extends Measured {
  /** Changes, all found in the database afterwards. */
  readonly acknowledged: number;
}

/** A line of the result. */
export interface Row extends Measured {
  readonly rounds: readonly Round[];
}

/** Memory of this server under full load. */
export const soakSchema = Type.Object({
  date: Type.String(),
  minutes: Type.Number(),
  requestsPerSecond: Type.Number(),
  /** MB in use in the last half minute, and at most during the whole time. */
  memory: Type.Number(),
  peakMemory: Type.Number(),
  /** MB that the last half minute of the last three minutes has more than their first; negative when it has less. */
  growth: Type.Number(),
});
export type Soak = Static<typeof soakSchema>;

/** A target, and what was reached. */
export interface Judged {
  readonly what: string;
  readonly target: string;
  /** Undefined where the run did not measure it. */
  readonly reached: string | undefined;
  readonly met: boolean | undefined;
}

export interface Results {
  readonly date: string;
  readonly machine: Machine;
  readonly postgres: Readonly<Record<string, string>>;
  readonly loadGenerator: string;
  /** What the run was asked to do. */
  readonly rounds: number;
  readonly secondsPerRound: number;
  readonly warmUpSeconds: number;
  readonly rows: readonly Row[];
  readonly soak: Soak | undefined;
  readonly targets: readonly Judged[];
}

/** The rounds of each case at each number of connections, with their median. */
export function toRows(rounds: readonly Round[]): Row[] {
  const groups = new Map<string, Round[]>();
  for (const round of rounds) {
    const name = `${round.title} ${round.connections}`;
    groups.set(name, [...(groups.get(name) ?? []), round]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const medianOf = (read: (round: Round) => number) => median(group.map(read));
    return [
      {
        title: first.title,
        connections: first.connections,
        requestsPerSecond: medianOf((round) => round.requestsPerSecond),
        p50: medianOf((round) => round.p50),
        p99: medianOf((round) => round.p99),
        cpuPerThousand: medianOf((round) => round.cpuPerThousand),
        peakMemory: medianOf((round) => round.peakMemory),
        rounds: group,
      },
    ];
  });
}

/** The middle of some numbers; between the two in the middle, when there are two. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (upper + lower) / 2;
}

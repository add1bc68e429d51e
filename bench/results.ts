import { type Static, Type } from '@sinclair/typebox';
import { machineSchema } from './machine.ts';

const measured = {
  title: Type.String(),
  connections: Type.Integer(),
  requestsPerSecond: Type.Number(),
  /** Milliseconds until an answer. */
  p50: Type.Number(),
  p99: Type.Number(),
  /** Milliseconds of processor time of the contestant, of the user and of the system, for 1,000 requests. */
  cpuPerThousand: Type.Number(),
  /** The same of all processes of PostgreSQL; missing where the system does not tell. */
  postgresCpuPerThousand: Type.Optional(Type.Number()),
  /** MB of memory at most since the process began, all processes together. */
  peakMemory: Type.Number(),
};

/** What was measured of one case at one number of connections: in one round, or the median of its rounds. */
const measuredSchema = Type.Object(measured);
export type Measured = Static<typeof measuredSchema>;

/** `round` counts from 1 on; `acknowledged` are the requests that were answered. */
const roundSchema = Type.Object({ ...measured, round: Type.Integer(), acknowledged: Type.Integer() });
export type Round = Static<typeof roundSchema>;

/** A line of the result. */
const rowSchema = Type.Object({ ...measured, rounds: Type.Array(roundSchema) });
export type Row = Static<typeof rowSchema>;

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
const judgedSchema = Type.Object({
  what: Type.String(),
  direction: Type.Union([Type.Literal('at least'), Type.Literal('at most')]),
  target: Type.Number(),
  /** Empty for a ratio. */
  unit: Type.Union([Type.Literal(''), Type.Literal('MB')]),
  /** The median of the rounds, with the lowest and the highest. Missing where the run did not measure it. */
  reached: Type.Optional(Type.Object({ median: Type.Number(), lowest: Type.Number(), highest: Type.Number() })),
  met: Type.Optional(Type.Boolean()),
});
export type Judged = Static<typeof judgedSchema>;

/** What `results.json` holds. */
export const resultsSchema = Type.Object({
  date: Type.String(),
  machine: machineSchema,
  postgres: Type.Record(Type.String(), Type.String()),
  loadGenerator: Type.String(),
  /** What the run was asked to do. */
  rounds: Type.Integer(),
  secondsPerRound: Type.Integer(),
  warmUpSeconds: Type.Integer(),
  rows: Type.Array(rowSchema),
  soak: Type.Optional(soakSchema),
  targets: Type.Array(judgedSchema),
});
export type Results = Static<typeof resultsSchema>;

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
    const postgres = group.flatMap(({ postgresCpuPerThousand }) => postgresCpuPerThousand ?? []);
    return [
      {
        title: first.title,
        connections: first.connections,
        requestsPerSecond: medianOf((round) => round.requestsPerSecond),
        p50: medianOf((round) => round.p50),
        p99: medianOf((round) => round.p99),
        cpuPerThousand: medianOf((round) => round.cpuPerThousand),
        ...(postgres.length > 0 && { postgresCpuPerThousand: median(postgres) }),
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

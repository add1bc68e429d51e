import { type Static, Type } from '@sinclair/typebox';
import { machineSchema } from './machine.ts';

const measured = {
  title: Type.String(),
  connections: Type.Integer(),
  requestsPerSecond: Type.Number(),
  /** Milliseconds until an answer. */
  p50: Type.Number(),
  p99: Type.Number(),
  /** Milliseconds of processor time of the contestant for 1,000 requests, user and system. */
  cpuPerThousand: Type.Number(),
  /** The same for all processes of PostgreSQL; missing if the system does not provide it. */
  postgresCpuPerThousand: Type.Optional(Type.Number()),
  /** The maximum memory of all processes together since their start, in MB. */
  peakMemory: Type.Number(),
};

/** The measurements of a case at one number of connections: of one round, or the median of its rounds. */
const measuredSchema = Type.Object(measured);
export type Measured = Static<typeof measuredSchema>;

/** `round` counts from 1; `acknowledged` is the number of answered requests. */
const roundSchema = Type.Object({ ...measured, round: Type.Integer(), acknowledged: Type.Integer() });
export type Round = Static<typeof roundSchema>;

/** A line of the result. */
const rowSchema = Type.Object({ ...measured, rounds: Type.Array(roundSchema) });
export type Row = Static<typeof rowSchema>;

/** The memory of this server under full load. */
export const soakSchema = Type.Object({
  date: Type.String(),
  minutes: Type.Number(),
  requestsPerSecond: Type.Number(),
  /** MB in use in the last half minute, and the maximum of the whole time. */
  memory: Type.Number(),
  peakMemory: Type.Number(),
  /** The growth in MB from the first to the last half minute of the last three minutes; negative if memory shrank. */
  growth: Type.Number(),
});
export type Soak = Static<typeof soakSchema>;

/** A target and its result. */
const judgedSchema = Type.Object({
  what: Type.String(),
  direction: Type.Union([Type.Literal('at least'), Type.Literal('at most')]),
  target: Type.Number(),
  /** Empty for a ratio. */
  unit: Type.Union([Type.Literal(''), Type.Literal('MB')]),
  /** The median of the rounds, with the lowest and the highest. Missing if the run did not measure it. */
  reached: Type.Optional(Type.Object({ median: Type.Number(), lowest: Type.Number(), highest: Type.Number() })),
  met: Type.Optional(Type.Boolean()),
});
export type Judged = Static<typeof judgedSchema>;

/** The content of `results.json`. */
export const resultsSchema = Type.Object({
  date: Type.String(),
  machine: machineSchema,
  postgres: Type.Record(Type.String(), Type.String()),
  loadGenerator: Type.String(),
  /** The options of the run. */
  rounds: Type.Integer(),
  secondsPerRound: Type.Integer(),
  warmUpSeconds: Type.Integer(),
  rows: Type.Array(rowSchema),
  soak: Type.Optional(soakSchema),
  targets: Type.Array(judgedSchema),
});
export type Results = Static<typeof resultsSchema>;

/** The rounds of each case at each number of connections, and their median. */
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

/** The median; of an even number of values, the mean of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (upper + lower) / 2;
}

import type { Options } from './options.ts';

export const contestantNames = ['this-server', 'express-prisma', 'fastify-pg', 'no-op'] as const;
export type ContestantName = (typeof contestantNames)[number];

/** A database that turns begin with. */
export interface Dataset {
  readonly name: string;
  readonly agents: number;
  readonly metadata: 'small' | 'large';
}

const standard: Dataset = { name: 'standard', agents: 10_000, metadata: 'small' };

/** One line of the result at each number of connections: who is measured, and with what. */
export interface Case {
  readonly title: string;
  readonly contestant: ContestantName;
  readonly processes: number;
  readonly dataset: Dataset;
  /** Whether all requests change one and the same agent. */
  readonly hot: boolean;
}

/** Cases that take turns, so that a machine that gets slower or faster does so for all of them. */
export interface Section {
  readonly cases: readonly Case[];
  readonly connections: readonly number[];
}

const basic = { processes: 1, dataset: standard, hot: false };
const ours = { ...basic, contestant: 'this-server' } as const;

/** Side by side. */
export const titles: Readonly<Record<ContestantName, string>> = {
  'this-server': 'this server',
  'express-prisma': 'express-prisma',
  'fastify-pg': 'fastify-pg',
  'no-op': 'no-op',
};

/** The connections at which this server is measured against itself, and at which most targets are set. */
export const full = 64;

/** This server against itself; the first is what the others are compared with. */
export const variations = {
  spread: { ...ours, title: 'this server, spread load' },
  hot: { ...ours, title: 'this server, one hot agent', hot: true },
  twoProcesses: { ...ours, title: 'this server, two processes', processes: 2 },
  largeMetadata: {
    ...ours,
    title: 'this server, metadata of 10 KB',
    dataset: { name: 'large_metadata', agents: 10_000, metadata: 'large' },
  },
  manyAgents: {
    ...ours,
    title: 'this server, 1,000,000 agents',
    dataset: { name: 'many_agents', agents: 1_000_000, metadata: 'small' },
  },
} as const satisfies Record<string, Case>;

/** What a run measures, in this order. */
export function planOf({ only, connections, quick }: Options): readonly Section[] {
  const { spread, hot, twoProcesses, largeMetadata, manyAgents } = variations;
  const sideBySide = only.map((contestant) => ({ ...basic, contestant, title: titles[contestant] }));
  const againstItself = quick ? [spread, hot] : [spread, hot, twoProcesses, largeMetadata, manyAgents];
  return [
    { cases: sideBySide, connections },
    ...(only.includes('this-server') ? [{ cases: againstItself, connections: [full] }] : []),
  ];
}

/** The case that the soak runs. */
export const soaked: Case = variations.spread;

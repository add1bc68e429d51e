import type { Options } from './options.ts';

export const contestantNames = ['this-server', 'express-prisma', 'fastify-pg', 'no-op', 'bare-fastify'] as const;
export type ContestantName = (typeof contestantNames)[number];

/** A dataset: the database with which stages begin. */
export interface Dataset {
  readonly name: string;
  readonly agents: number;
  /** The number of companies. Each has a key and the same number of agents. */
  readonly companies: number;
  readonly metadata: 'small' | 'large';
}

const standard: Dataset = { name: 'standard', agents: 10_000, companies: 100, metadata: 'small' };

/** The requests of a load. */
interface Load {
  /** The number of GETs in 100 requests; the others are PATCHes. */
  readonly reads: number;
  /** The targets: any agent, always the same agent, or pages of a company's list. */
  readonly targets: TargetKind;
}

export const targetKinds = ['agents', 'one-agent', 'pages'] as const;
export type TargetKind = (typeof targetKinds)[number];

/** A case: a contestant with a load and a dataset. It is one line of the result for each number of connections. */
export interface Case {
  readonly title: string;
  readonly contestant: ContestantName;
  readonly processes: number;
  readonly dataset: Dataset;
  readonly load: Load;
  readonly connections: readonly number[];
}

/**
 * Cases that are started together and measured alternately at each number of connections. Ratios are computed between
 * cases of one section within one round, so that changes in the speed of the machine do not affect them.
 */
export interface Section {
  readonly cases: readonly Case[];
  readonly connections: readonly number[];
}

/** The numbers of connections at which this server is compared with itself, and for which most targets are set. */
export const full = 64;

const changes: Load = { reads: 0, targets: 'agents' };
const reads: Load = { reads: 100, targets: 'agents' };
const mix: Load = { reads: 80, targets: 'agents' };

const basic = { processes: 1, dataset: standard, load: changes };
const ours = { ...basic, contestant: 'this-server', connections: [full] } as const;

/** Side by side. The last two have no database, so their throughput at few connections is not meaningful. */
export const titles: Readonly<Record<ContestantName, string>> = {
  'this-server': 'this server',
  'express-prisma': 'express-prisma',
  'fastify-pg': 'fastify-pg',
  'no-op': 'no-op',
  'bare-fastify': 'bare Fastify',
};

const withDatabase = { ...basic, connections: [1, 16, 64, 256] };
const withoutDatabase = { ...basic, connections: [full] };

const sideBySide: readonly Case[] = [
  { ...withDatabase, contestant: 'this-server', title: titles['this-server'] },
  { ...withDatabase, contestant: 'express-prisma', title: titles['express-prisma'] },
  { ...withDatabase, contestant: 'fastify-pg', title: titles['fastify-pg'] },
  { ...withoutDatabase, contestant: 'no-op', title: titles['no-op'] },
  { ...withoutDatabase, contestant: 'bare-fastify', title: titles['bare-fastify'] },
];

const reading = { ...basic, connections: [16, full] };

/** Reads, alone and as 80 % of a mix, compared with the two statements of fastify-pg. */
export const readCases = {
  ours: { ...reading, contestant: 'this-server', title: 'this server, GET', load: reads },
  theirs: { ...reading, contestant: 'fastify-pg', title: 'fastify-pg, GET', load: reads },
  ourMix: { ...reading, contestant: 'this-server', title: 'this server, 80 % GET', load: mix },
  theirMix: { ...reading, contestant: 'fastify-pg', title: 'fastify-pg, 80 % GET', load: mix },
} as const satisfies Record<string, Case>;

/** This server compared with itself; the first case is the baseline. */
export const variations = {
  spread: { ...ours, title: 'this server, spread load' },
  hot: { ...ours, title: 'this server, one hot agent', load: { reads: 0, targets: 'one-agent' } },
  twoProcesses: { ...ours, title: 'this server, two processes', processes: 2 },
  largeMetadata: {
    ...ours,
    title: 'this server, metadata of 10 KB',
    dataset: { ...standard, name: 'large_metadata', metadata: 'large' },
  },
  manyAgents: {
    ...ours,
    title: 'this server, 1,000,000 agents',
    dataset: { ...standard, name: 'many_agents', agents: 1_000_000 },
  },
  lists: {
    ...ours,
    title: 'this server, lists of 100,000 agents',
    dataset: { ...standard, name: 'lists', agents: 200_000, companies: 2 },
    load: { reads: 100, targets: 'pages' },
    connections: [16],
  },
} as const satisfies Record<string, Case>;

/** The sections of a run, in this order. */
export function planOf({ only, connections, quick }: Options): readonly Section[] {
  const { spread, hot } = variations;
  const sections = quick
    ? [sideBySide, [spread, hot]]
    : [sideBySide, Object.values(readCases), Object.values(variations)];
  return sections
    .map((cases) => sectionOf(cases, only, connections))
    .filter(({ connections: counts }) => counts.length > 0);
}

/** The cases of these contestants at these connections. */
function sectionOf(all: readonly Case[], only: readonly ContestantName[], counts: readonly number[]): Section {
  const cases = all
    .filter(({ contestant }) => only.includes(contestant))
    .map((entry) => ({ ...entry, connections: entry.connections.filter((count) => counts.includes(count)) }))
    .filter(({ connections }) => connections.length > 0);
  return { cases, connections: counts.filter((count) => cases.some(({ connections }) => connections.includes(count))) };
}

/** The case of the soak. */
export const soaked: Case = variations.spread;

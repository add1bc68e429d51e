import { full, titles, variations } from './plan.ts';
import type { Judged, Measured, Soak } from './results.ts';

/** What this server is to reach, as ratios within one run. */
export function judge(rows: readonly Measured[], soak: Soak | undefined): Judged[] {
  const at = (title: string, connections = full) =>
    rows.find((row) => row.title === title && row.connections === connections);
  const ours = at(titles['this-server']);
  const prisma = at(titles['express-prisma']);
  const noOp = at(titles['no-op']);
  const pg = at(titles['fastify-pg']);
  const spread = at(variations.spread.title);
  const speed = (row: Measured | undefined) => row?.requestsPerSecond;
  const cpu = (row: Measured | undefined) => row?.cpuPerThousand;
  const p50 = (row: Measured | undefined) => row?.p50;
  return [
    atLeast('requests/s against express-prisma', speed(ours), speed(prisma), 10),
    atLeast('requests/s against fastify-pg', speed(ours), speed(pg), 2),
    atLeast('requests/s against no-op', speed(ours), speed(noOp), 0.6),
    atMost("processor time for 1,000 requests against express-prisma's", cpu(ours), cpu(prisma), 1 / 3),
    atMost('p99 against p50', ours?.p99, p50(ours), 4),
    atMost(
      'p50 against fastify-pg, 1 connection',
      p50(at(titles['this-server'], 1)),
      p50(at(titles['fastify-pg'], 1)),
      1.3,
    ),
    atLeast('one hot agent against spread load', speed(at(variations.hot.title)), speed(spread), 0.8),
    atLeast('1,000,000 agents against 10,000', speed(at(variations.manyAgents.title)), speed(spread), 0.85),
    ...judgeMemory(soak),
  ];
}

type Value = number | undefined;

const atLeast = (what: string, value: Value, base: Value, bound: number) =>
  judgeRatio(what, 'at least', value, base, bound, (ratio) => ratio >= bound);

const atMost = (what: string, value: Value, base: Value, bound: number) =>
  judgeRatio(what, 'at most', value, base, bound, (ratio) => ratio <= bound);

function judgeRatio(
  what: string,
  words: string,
  value: Value,
  base: Value,
  bound: number,
  isMet: (ratio: number) => boolean,
): Judged {
  const ratio = value === undefined || base === undefined ? undefined : value / base;
  return {
    what,
    target: `${words} ${round(bound)}`,
    reached: ratio === undefined ? undefined : String(round(ratio)),
    met: ratio === undefined ? undefined : isMet(ratio),
  };
}

/** MB by which memory may seem to grow: less than the garbage collector makes it go up and down. */
const noGrowth = 5;

function judgeMemory(soak: Soak | undefined): Judged[] {
  return [
    {
      what: `memory after ${minutesOf(soak)} at full load`,
      target: 'at most 250 MB',
      reached: soak && `${round(soak.memory)} MB (${round(soak.peakMemory)} MB at most)`,
      met: soak && soak.memory <= 250,
    },
    {
      what: 'growth of memory in the last three minutes',
      target: `none (at most ${noGrowth} MB)`,
      reached: soak && `${round(soak.growth)} MB`,
      met: soak && soak.growth <= noGrowth,
    },
  ];
}

const minutesOf = (soak: Soak | undefined) => (soak?.minutes === 1 ? 'one minute' : `${soak?.minutes ?? 5} minutes`);
const round = (number: number) => Math.round(number * 100) / 100;

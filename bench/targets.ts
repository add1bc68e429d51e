import { full, readCases, titles, variations } from './plan.ts';
import { type Judged, median, type Round, type Row, type Soak } from './results.ts';

/** One number of a case in each round. */
type Series = ReadonlyMap<number, number> | undefined;

/** The targets of this server: ratios within one round, of which the median counts, and its memory. */
export function judge(rows: readonly Row[], soak: Soak | undefined): Judged[] {
  const seriesOf = (read: (round: Round) => number | undefined) => (title: string, connections: number) =>
    seriesIn(rows, title, connections, read);
  const speed = seriesOf((round) => round.requestsPerSecond);
  const cpu = seriesOf((round) => round.cpuPerThousand);
  const postgres = seriesOf((round) => round.postgresCpuPerThousand);
  const p50 = seriesOf((round) => round.p50);
  const p99 = seriesOf((round) => round.p99);
  const {
    'this-server': ours,
    'fastify-pg': pg,
    'express-prisma': prisma,
    'no-op': noOp,
    'bare-fastify': bare,
  } = titles;
  const { spread, hot, largeMetadata, manyAgents } = variations;
  const get = readCases.ours.title;
  const pgGet = readCases.theirs.title;
  const own = (entry: { title: string }, read: typeof speed) =>
    [read(entry.title, full), read(spread.title, full)] as const;
  return [
    ratio('requests/s against fastify-pg, 64 connections', 'at least', 2, speed(ours, full), speed(pg, full)),
    ratio('requests/s against express-prisma, 64', 'at least', 10.5, speed(ours, full), speed(prisma, full)),
    ratio('requests/s against fastify-pg, 16', 'at least', 1.25, speed(ours, 16), speed(pg, 16)),
    ratio('p50 against fastify-pg, 1', 'at most', 1.4, p50(ours, 1), p50(pg, 1)),
    ratio("processor time against fastify-pg's, 64", 'at most', 0.6, cpu(ours, full), cpu(pg, full)),
    ratio(
      "PostgreSQL's processor time against fastify-pg's, 64",
      'at most',
      0.35,
      postgres(ours, full),
      postgres(pg, full),
    ),
    ratio("the HTTP stack's processor time against a bare route's", 'at most', 2.2, cpu(noOp, full), cpu(bare, full)),
    ratio('processor time with 10 KB of metadata against small', 'at most', 2, ...own(largeMetadata, cpu)),
    ratio('p99 against p50, 64', 'at most', 3, p99(ours, full), p50(ours, full)),
    ratio('requests/s for one hot agent against spread load', 'at least', 0.85, ...own(hot, speed)),
    ratio('requests/s with 1,000,000 agents against 10,000', 'at least', 0.9, ...own(manyAgents, speed)),
    ratio('GETs/s against fastify-pg, 16', 'at least', 1.2, speed(get, 16), speed(pgGet, 16)),
    ratio('GETs/s against fastify-pg, 64', 'at least', 1.8, speed(get, full), speed(pgGet, full)),
    memory('memory after five minutes at full load', 200, soak?.memory),
    // Less than its variation between garbage collections.
    memory('growth of memory in the last three minutes', 5, soak?.growth),
  ];
}

function seriesIn(
  rows: readonly Row[],
  title: string,
  connections: number,
  read: (round: Round) => number | undefined,
): Series {
  const row = rows.find((found) => found.title === title && found.connections === connections);
  return row && new Map(row.rounds.flatMap((round) => entryOf(round.round, read(round))));
}

const entryOf = (round: number, value: number | undefined): [number, number][] =>
  value === undefined ? [] : [[round, value]];

function ratio(what: string, direction: Judged['direction'], target: number, value: Series, base: Series): Judged {
  const ratios = [...(value ?? [])].flatMap(([round, number]) => {
    const other = base?.get(round);
    return other === undefined ? [] : [number / other];
  });
  return judged({ what, direction, target, unit: '' }, ratios);
}

const memory = (what: string, target: number, value: number | undefined): Judged =>
  judged({ what, direction: 'at most', target, unit: 'MB' }, value === undefined ? [] : [value]);

function judged(goal: Omit<Judged, 'reached' | 'met'>, values: readonly number[]): Judged {
  if (values.length === 0) return goal;
  // Compared as rounded for display, so that no displayed number contradicts its verdict.
  const middle = rounded(median(values));
  const met = goal.direction === 'at least' ? middle >= goal.target : middle <= goal.target;
  const reached = { median: middle, lowest: rounded(Math.min(...values)), highest: rounded(Math.max(...values)) };
  return { ...goal, reached, met };
}

const rounded = (number: number) => Math.round(number * 100) / 100;

const withUnit = (text: string, { unit }: Judged) => (unit === '' ? text : `${text} ${unit}`);

export const targetText = (goal: Judged) => withUnit(`${goal.direction} ${goal.target}`, goal);

/** The median, with the lowest and the highest if they differ. */
export function reachedText(goal: Judged): string {
  const { reached } = goal;
  if (!reached) return 'not measured';
  const { median: middle, lowest, highest } = reached;
  return withUnit(lowest === highest ? `${middle}` : `${middle} (${lowest} to ${highest})`, goal);
}

export const verdictOf = ({ met }: Judged) => (met === undefined ? '' : met ? 'met' : 'missed');

/** One sentence for the README: the met and the missed targets, each with what was reached. */
export function sentenceOf(targets: readonly Judged[]): string {
  const measured = targets.filter(({ met }) => met !== undefined);
  const [reached, missed] = [true, false].map((wanted) => listOf(measured.filter(({ met }) => met === wanted)));
  const unmeasured = targets.filter(({ met }) => met === undefined).map(({ what }) => what);
  const met = measured.filter(({ met }) => met).length;
  const parts = [
    `${met} of ${targets.length} targets are met${reached === '' ? '' : `: ${reached}`}`,
    missed === '' ? undefined : `missed: ${missed}`,
    unmeasured.length === 0 ? undefined : `not measured: ${unmeasured.join('; ')}`,
  ];
  return `${parts.filter((part) => part !== undefined).join('; ')}.`;
}

const listOf = (goals: readonly Judged[]): string =>
  goals.map((goal) => `${goal.what} (${goal.reached?.median}, target ${targetText(goal)})`).join('; ');

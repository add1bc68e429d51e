import { full, titles } from './plan.ts';
import { plotTargets, targetsHeight } from './plot-targets.ts';
import { aboutIn } from './report.ts';
import type { Measured, Results } from './results.ts';
import { box, faint, rule, text } from './svg.ts';

const colours: Readonly<Record<string, string>> = {
  [titles['this-server']]: '#0b69c7',
  [titles['fastify-pg']]: '#c2570c',
  [titles['express-prisma']]: '#7b3fa0',
  [titles['no-op']]: '#9aa5b1',
  [titles['bare-fastify']]: '#cbb26a',
};

const width = 880;
const edge = 32;
const chartsTop = 385;
const targetsTop = 580;

/** A small chart beside others: one number for each contestant at the same load. */
interface Comparison {
  readonly heading: string;
  readonly read: (row: Measured) => number | undefined;
  /** Whether the number is meaningful for the contestants without a database. */
  readonly ofAll: boolean;
}

const comparisons: readonly Comparison[] = [
  { heading: 'p99, ms', read: ({ p99 }) => p99, ofAll: false },
  { heading: 'processor time, ms for 1,000', read: ({ cpuPerThousand }) => cpuPerThousand, ofAll: true },
  { heading: "PostgreSQL's, ms for 1,000", read: ({ postgresCpuPerThousand }) => postgresCpuPerThousand, ofAll: false },
  { heading: 'memory at its peak, MB', read: ({ peakMemory }) => peakMemory, ofAll: true },
];

/** The comparison and the targets as an SVG image. */
export function plot(results: Results): string {
  const rows = results.rows.filter(({ title }) => title in colours);
  const stored = rows.filter(({ title }) => title !== titles['no-op'] && title !== titles['bare-fastify']);
  const aboutTop = targetsTop + targetsHeight(results.targets) + 24;
  const height = aboutTop + 80;
  const parts = [
    text(edge, 40, 'PATCH /agents/{id}: requests per second, by number of connections', { size: 17, weight: 600 }),
    legend(rows),
    throughput(stored, { left: edge + 44, top: 100, right: width - edge, bottom: 330 }),
    text(edge, chartsTop, `At ${full} connections (less is better)`, { size: 15, weight: 600 }),
    ...comparisons.map((comparison, place) =>
      smallChart(comparison, comparison.ofAll ? rows : stored, edge + place * 208, chartsTop + 27),
    ),
    text(edge, targetsTop, 'Targets: ratios within a round, median and spread', { size: 15, weight: 600 }),
    plotTargets(results.targets, edge, targetsTop + 12),
    ...aboutIn(results).map((line, place) => text(edge, aboutTop + place * 17, line, { size: 11, fill: faint })),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif">
<title>Benchmark of PATCH /agents/{id}</title>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="#ffffff" stroke="${rule}"/>
${parts.join('\n')}
</svg>
`;
}

function legend(rows: readonly Measured[]): string {
  return titlesIn(rows)
    .map((title, place) => {
      const x = edge + place * 150;
      return box(x, 58, 12, 12, colours[title]) + text(x + 18, 68, title, { size: 13 });
    })
    .join('\n');
}

interface Area {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Groups of bars for each number of connections. */
function throughput(rows: readonly Measured[], { left, top, right, bottom }: Area): string {
  const step = niceStep(Math.max(...rows.map(({ requestsPerSecond }) => requestsPerSecond)));
  const highest = Math.ceil(Math.max(...rows.map(({ requestsPerSecond }) => requestsPerSecond)) / step) * step;
  const yOf = (value: number) => bottom - ((bottom - top) * value) / highest;
  const lines = Array.from({ length: Math.round(highest / step) + 1 }, (_, index) => {
    const y = yOf(index * step);
    const label = text(left - 8, y + 4, grouped(index * step), { size: 11, fill: faint, anchor: 'end' });
    return `<path d="M${left} ${y}H${right}" stroke="${rule}"/>${label}`;
  });
  const groups = [...new Set(rows.map(({ connections }) => connections))].sort((a, b) => a - b);
  const names = titlesIn(rows);
  const room = (right - left) / groups.length;
  const bar = Math.min(40, (room - 24) / names.length);
  const bars = rows.map(({ title, connections, requestsPerSecond }) => {
    const begin = left + groups.indexOf(connections) * room + (room - bar * names.length) / 2;
    const x = begin + names.indexOf(title) * bar;
    const y = yOf(requestsPerSecond);
    const value = text(x + bar / 2, y - 5, grouped(requestsPerSecond), { size: 10.5, anchor: 'middle', halo: true });
    return box(x + 2, y, bar - 4, bottom - y, colours[title]) + value;
  });
  const labels = groups.map((connections, place) => {
    const words = `${connections} connection${connections === 1 ? '' : 's'}`;
    return text(left + (place + 0.5) * room, bottom + 19, words, { size: 12, anchor: 'middle' });
  });
  return [...lines, ...bars, ...labels].join('\n');
}

/** Bars below each other. */
function smallChart({ heading, read }: Comparison, rows: readonly Measured[], left: number, top: number): string {
  const shown = rows.filter(({ connections }) => connections === full).map((row) => ({ row, value: read(row) ?? 0 }));
  const longest = Math.max(...shown.map(({ value }) => value));
  const bars = shown.map(({ row, value }, place) => {
    const y = top + 14 + place * 24;
    const length = Math.max(1, (130 * value) / longest);
    return (
      box(left, y, length, 16, colours[row.title]) + text(left + length + 6, y + 12, readable(value), { size: 12 })
    );
  });
  return [text(left, top, heading, { size: 12, fill: faint }), ...bars].join('\n');
}

const titlesIn = (rows: readonly Measured[]) => [...new Set(rows.map(({ title }) => title))];

/** The distance of grid lines: one, two or five times a power of ten, so that there are three to seven lines. */
function niceStep(highest: number): number {
  const power = 10 ** Math.floor(Math.log10(highest / 3));
  return power * ([1, 2, 5].findLast((factor) => factor * power <= highest / 3) ?? 1);
}

const grouped = (value: number) => Math.round(value).toLocaleString('en-US');
const readable = (value: number) => (value < 10 ? value.toFixed(1) : grouped(value));

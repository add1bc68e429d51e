import type { Judged } from './results.ts';
import { box, faint, ink, rule, text } from './svg.ts';
import { reachedText, targetText, verdictOf } from './targets.ts';

const rowHeight = 21;
const colours = { met: '#1b7f4b', missed: '#b42318' };

/** The scale: from half to twice as good as the target. */
const scale = { left: 470, width: 150, factor: 2 };

export const targetsHeight = (targets: readonly Judged[]) => 26 + targets.length * rowHeight;

/** A line for each target: the result as a point with its spread, on a scale whose middle is the target. */
export function plotTargets(targets: readonly Judged[], left: number, top: number): string {
  const middle = scale.left + scale.width / 2;
  const end = top + targets.length * rowHeight;
  return [
    `<path d="M${middle} ${top}V${end}" stroke="${ink}" stroke-dasharray="3 3"/>`,
    ...targets.map((goal, place) => lineOf(goal, left, top + place * rowHeight)),
    text(scale.left, end + 14, 'worse', { size: 11, fill: faint }),
    text(scale.left + scale.width, end + 14, 'better', { size: 11, fill: faint, anchor: 'end' }),
  ].join('\n');
}

function lineOf(goal: Judged, left: number, top: number): string {
  const { what, reached, met } = goal;
  const base = top + 15;
  const colour = met === true ? colours.met : colours.missed;
  const parts = [
    text(left, base, what, { size: 12 }),
    text(scale.left - 14, base, targetText(goal), { size: 12, fill: faint, anchor: 'end' }),
    `<path d="M${scale.left} ${top + 11}H${scale.left + scale.width}" stroke="${rule}"/>`,
    text(scale.left + scale.width + 14, base, reachedText(goal), { size: 12 }),
    text(848, base, verdictOf(goal), { size: 12, weight: 600, fill: colour, anchor: 'end' }),
  ];
  if (reached) {
    const [from, to] = [xOf(goal, reached.lowest), xOf(goal, reached.highest)];
    parts.push(box(Math.min(from, to), top + 9, Math.abs(to - from), 4, colour));
    parts.push(`<circle cx="${xOf(goal, reached.median)}" cy="${top + 11}" r="4.5" fill="${colour}"/>`);
  }
  return parts.join('\n');
}

/** The position of a value on the logarithmic scale; better values are further right. */
function xOf({ direction, target }: Judged, value: number): number {
  const better = direction === 'at least' ? value / target : target / Math.max(value, target / 100);
  const place = Math.log(Math.max(better, 1e-9)) / Math.log(scale.factor);
  return Math.round(scale.left + (scale.width * (1 + Math.min(1, Math.max(-1, place)))) / 2);
}

/** The median. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [below = Number.NaN, above = Number.NaN] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (below + above) / 2;
}

/**
 * How far the ranks of one sample lie from those of another (Mann and Whitney), in standard deviations: of two samples
 * of the same, once in a thousand times more than 3.3. Positive where the second is larger. For hundreds of values.
 */
export function rankDistance(one: readonly number[], other: readonly number[]): number {
  const all = [...one.map((value) => ({ value, isOther: false })), ...other.map((value) => ({ value, isOther: true }))];
  const ranks = all.toSorted((a, b) => a.value - b.value).flatMap(({ isOther }, at) => (isOther ? [at + 1] : []));
  const sum = ranks.reduce((before, rank) => before + rank, 0);
  const expected = (other.length * (all.length + 1)) / 2;
  return (sum - expected) / Math.sqrt((one.length * other.length * (all.length + 1)) / 12);
}

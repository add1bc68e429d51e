import { distance } from 'fastest-levenshtein';

/**
 * The known name that was meant by one that is not known, upper and lower case apart.
 * @param slips letters that may be missing, wrong or too many
 * @returns the closest; undefined where none is close
 */
export function nearestName(written: string, known: readonly string[], slips: number): string | undefined {
  const slipsTo = (name: string) => distance(written.toLowerCase(), name.toLowerCase());
  const near = known.filter((name) => slipsTo(name) <= slips);
  return near.sort((a, b) => slipsTo(a) - slipsTo(b))[0];
}

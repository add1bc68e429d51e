import { distance } from 'fastest-levenshtein';

/**
 * Finds the known name that is most similar to an unknown one, ignoring case.
 * @param slips letters that may be missing, wrong or additional
 * @returns undefined if no known name is that similar
 */
export function nearestName(written: string, known: readonly string[], slips: number): string | undefined {
  const slipsTo = (name: string) => distance(written.toLowerCase(), name.toLowerCase());
  const near = known.filter((name) => slipsTo(name) <= slips);
  return near.sort((a, b) => slipsTo(a) - slipsTo(b))[0];
}

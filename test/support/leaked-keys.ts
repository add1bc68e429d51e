/**
 * Throws if a log contains an API key, valid or not. The message does not contain it.
 * @param lines all lines of the log
 */
export function refuseKeys(lines: readonly string[]): void {
  const key = /(?<![a-z])sk_[0-9A-Za-z]{9,}/g;
  const leaks = lines.filter((line) => line.search(key) >= 0).map((line) => line.replace(key, 'sk_…'));
  if (leaks.length > 0) throw new Error(`the log holds keys: ${leaks.join('\n')}`);
}

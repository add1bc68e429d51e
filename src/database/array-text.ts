/** Values that need no quotes in the text of an array. */
const plain = /^(?!null$)[\w.:-]+$/i;

/**
 * The text of a PostgreSQL array of hashes, UUIDs, addresses or names. Faster than a list, each value of which Prisma and its
 * driver process several times.
 * @throws Error for a value that needs quotes: written without them, it could move the values behind it
 */
export function arrayText(values: readonly (string | null)[]): string {
  const written = values.map((value) => {
    if (value !== null && !plain.test(value)) throw new Error('a value needs quotes in an array');
    return value ?? 'NULL';
  });
  return `{${written.join(',')}}`;
}

/**
 * Removes duplicates before a batched read, such as requests of a batch for the same agent. Items with one key that differ
 * are rare; of these, some may be asked twice.
 * @param keyOf equal for items with the same answer, and cheap: a text that the item holds
 * @param isSame whether two items with one key have the same answer
 * @param ask called with the distinct items; resolves with one answer for each, in their order
 * @returns one answer for each item, in their order
 */
export async function askOnce<Item, Answer>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  isSame: (one: Item, other: Item) => boolean,
  ask: (distinct: readonly Item[]) => Promise<readonly Answer[]>,
): Promise<readonly Answer[]> {
  const last = new Map<string, number>();
  const distinct: Item[] = [];
  const placeOf = items.map((item) => {
    const key = keyOf(item);
    const place = last.get(key);
    const known = place === undefined ? undefined : distinct[place];
    if (place !== undefined && known !== undefined && isSame(known, item)) return place;
    last.set(key, distinct.length);
    return distinct.push(item) - 1;
  });
  const answers = await ask(distinct);
  return placeOf.flatMap((place) => answers[place] ?? []);
}

/**
 * Removes duplicates before a batched read, such as requests of a batch for the same agent.
 * @param textOf equal texts for items with the same answer, different texts for all others
 * @param ask called with the distinct items; resolves with one answer for each, in their order
 * @returns one answer for each item, in their order
 */
export async function askOnce<Item, Answer>(
  items: readonly Item[],
  textOf: (item: Item) => string,
  ask: (distinct: readonly Item[]) => Promise<readonly Answer[]>,
): Promise<readonly Answer[]> {
  const places = new Map<string, number>();
  const distinct: Item[] = [];
  const placeOf = items.map((item) => {
    const text = textOf(item);
    const place = places.get(text) ?? distinct.push(item) - 1;
    places.set(text, place);
    return place;
  });
  const answers = await ask(distinct);
  return placeOf.flatMap((place) => answers[place] ?? []);
}

/**
 * Asks once for items that ask for the same, as the requests of a batch do that name one agent.
 * @param textOf equal for items that ask for the same, and for no others
 * @param ask gives one answer for each item that it gets, in their order
 * @returns one answer for each of all items, in their order
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

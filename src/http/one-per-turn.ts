/**
 * Handles items in the order in which they were added, one per turn of the event loop, so that other events are handled in
 * between.
 */
export function onePerTurn<Item>(handle: (item: Item) => void) {
  const waiting = new Set<Item>();
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled || waiting.size === 0) return;
    isScheduled = true;
    setImmediate(handleNext);
  }

  function handleNext(): void {
    isScheduled = false;
    const [item] = waiting;
    if (item === undefined) return;
    waiting.delete(item);
    handle(item);
    schedule();
  }

  return {
    add(item: Item): void {
      waiting.add(item);
      schedule();
    },
    delete: (item: Item): void => void waiting.delete(item),
  };
}

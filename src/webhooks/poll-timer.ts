import { setTimeout as delay } from 'node:timers/promises';

/** A wait that `wake` ends early. If nothing waits when `wake` is called, the next wait ends early. */
export function pollTimer() {
  let isWoken = false;
  let endWait = () => {};

  return {
    wake(): void {
      isWoken = true;
      endWait();
    },

    /**
     * Waits `least` milliseconds; then, unless `wake` was called since the last wait ended, until `wake` or until `most`
     * milliseconds have passed in all.
     */
    async wait(least: number, most: number): Promise<void> {
      await delay(least);
      if (!isWoken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, most - least);
          endWait = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      isWoken = false;
    },
  };
}

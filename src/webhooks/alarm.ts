import { setTimeout as delay } from 'node:timers/promises';

/** Wakes a loop that waits. */
export function alarm() {
  let isRung = false;
  let wake = () => {};

  return {
    ring(): void {
      isRung = true;
      wake();
    },

    /** Waits so many milliseconds at least; then until it is rung, if it was not since the last wait, or as many at most. */
    async wait(least: number, most: number): Promise<void> {
      await delay(least);
      if (!isRung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, most - least);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      isRung = false;
    },
  };
}

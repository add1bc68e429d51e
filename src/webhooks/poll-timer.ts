import { setTimeout as delay } from 'node:timers/promises';

/** A wait that another part of the process can cut short. `ring` during no wait cuts the next one short. */
export function alarm() {
  let isRung = false;
  let wake = () => {};

  return {
    ring(): void {
      isRung = true;
      wake();
    },

    /**
     * Waits `least` milliseconds; then, unless `ring` was called since the last wait ended, until `ring` or until `most`
     * milliseconds have passed in all.
     */
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

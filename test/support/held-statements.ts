import { vi } from 'vitest';

type IsHeld = (sql: string) => boolean;

interface Hold {
  readonly isHeld: IsHeld;
  readonly released: Promise<void>;
  count: number;
}

/** Statements that a test holds back on their way from a server to the database. */
export function heldStatements() {
  const holds: Hold[] = [];
  return {
    /** For `openAnotherServer`. */
    async onStatement(sql: string): Promise<void> {
      const hold = holds.find(({ isHeld }) => isHeld(sql));
      if (!hold) return;
      hold.count += 1;
      await hold.released;
    },

    /** Holds from now on what `isHeld` accepts, until `release`. */
    hold(isHeld: IsHeld) {
      let resolve = () => {};
      const released = new Promise<void>((done) => {
        resolve = done;
      });
      const hold = { isHeld, released, count: 0 };
      holds.push(hold);
      return {
        /** How many statements were held. */
        count: () => hold.count,
        /** Resolves when a statement is held. */
        reached: () => vi.waitUntil(() => hold.count > 0, { timeout: 60_000, interval: 5 }),
        release(): void {
          holds.splice(holds.indexOf(hold), 1);
          resolve();
        },
      };
    },
  };
}

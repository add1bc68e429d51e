import { createHash } from 'node:crypto';
import { isStalePlan } from './failures.ts';

/**
 * Names of prepared statements, so that PostgreSQL plans a statement once per connection. A name is a hash of the text: in
 * every process it stands for the same text, since a pooler may share a session between processes. Only raw statements are
 * named: they have few texts, while Prisma makes another text for each length of a list.
 */
export function statementNames() {
  const names = new Map<string, string>();
  /** How many times the plans were found stale. */
  let generation = 0;
  return {
    /** Registers a statement and returns the text to send for it. */
    textOf(sql: string): string {
      // A pooler that supports prepared statements identifies them by text: a new name alone would find the old plan there.
      const text = generation === 0 ? sql : `${sql} /* ${generation} */`;
      if (!names.has(text)) names.set(text, `s_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`);
      return text;
    },

    /** The name of a text; empty, as `pg` needs it, for a text that is not registered. */
    of: ({ sql }: { readonly sql: string }): string => names.get(sql) ?? '',

    /**
     * Runs work, and once more if a plan was stale; every statement is then planned again, under a new text and name. That is
     * safe: PostgreSQL refused the statement before it changed anything, and rolled back its transaction.
     */
    async withFreshPlans<Result>(work: () => Promise<Result>): Promise<Result> {
      const planned = generation;
      try {
        return await work();
      } catch (error) {
        if (!isStalePlan(error)) throw error;
        // Unless another statement has noticed it meanwhile.
        if (generation === planned) {
          generation += 1;
          names.clear();
        }
        return await work();
      }
    },
  };
}

import { createHash } from 'node:crypto';

/**
 * One name for each statement text, so that PostgreSQL plans it once for each connection. It stands for the text alone, in
 * every process: where a pooler lends a session to several, none may run the statement of another in place of its own.
 * Only raw statements are named: there are few texts of them, while Prisma makes one for each length of a list.
 */
export function statementNames() {
  const names = new Map<string, string>();
  let generation = 0;
  return {
    /** How often the plans were renewed. */
    get generation() {
      return generation;
    },

    /** The text to send for a statement. It gets a name. */
    textOf(sql: string): string {
      // A pooler that knows named statements names them by their texts, so a new name alone would find the old plan there.
      const text = generation === 0 ? sql : `${sql} /* ${generation} */`;
      if (!names.has(text)) names.set(text, `s_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`);
      return text;
    },

    /** Empty for a statement without a name, as `pg` wants it. */
    of: ({ sql }: { readonly sql: string }): string => names.get(sql) ?? '',

    /**
     * Has every statement planned anew.
     * @param stale the generation whose plans are stale: many statements may find that at once
     */
    renew(stale: number): void {
      if (generation !== stale) return;
      generation += 1;
      names.clear();
    },
  };
}

import { createHash } from 'node:crypto';

/**
 * Names of prepared statements, so that PostgreSQL plans a statement once per connection. A name is a hash of the text: in
 * every process it stands for the same text, since a pooler may share a session between processes. Only raw statements are
 * named: they have few texts, while Prisma makes another text for each length of a list.
 */
export function statementNames() {
  const names = new Map<string, string>();
  let generation = 0;
  return {
    /** How many times the plans were renewed. */
    get generation() {
      return generation;
    },

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
     * Makes PostgreSQL plan every statement again, under a new text and name.
     * @param stale the generation whose plans are stale; nothing happens if it was renewed already by another statement
     */
    renew(stale: number): void {
      if (generation !== stale) return;
      generation += 1;
      names.clear();
    },
  };
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const docs = join(import.meta.dirname, '..', '..', 'docs');

/** The commands that a page of docs/ shows: the text of each `sh` block, in their order. */
export const commandsIn = (page: string) => blocksIn(page, 'sh');

/** The text of each block of a language that a page of docs/ shows, in their order. */
export function blocksIn(page: string, language: string): string[] {
  const text = readFileSync(join(docs, page), 'utf8');
  const blocks = text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm);
  return [...blocks].flatMap(([, of, block = '']) => (of === language ? [block] : []));
}

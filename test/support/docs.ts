import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** A fenced or indented block of a page. An indented one has no language. */
export interface Block {
  /** The heading above it, of any level. */
  readonly section: string;
  readonly language: string;
  readonly text: string;
}

/** All pages for readers, as paths from the root of the repository. */
export function pages(): string[] {
  const entries = ['docs', 'deploy', 'bench', 'examples', 'reference-page'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true }),
  );
  const files = [...readdirSync(root, { withFileTypes: true }), ...entries];
  return files
    .filter((file) => file.isFile() && file.name.endsWith('.md'))
    .map((file) => relative(root, join(file.parentPath, file.name)).replaceAll(sep, '/'))
    .toSorted();
}

/** The blocks of a page, in order. */
export function allBlocks(page: string): Block[] {
  const text = readFileSync(join(root, page), 'utf8');
  let section = '';
  const blocks: Block[] = [];
  const parts = /^#+ (.*)$|^ *```([^\n]*)\n([\s\S]*?)^ *```$|(?<=\n\n)((?: {4}.*\n|\t.*\n)+)/gm;
  for (const [, heading, language = '', fenced, indented] of text.matchAll(parts)) {
    if (heading === undefined) blocks.push({ section, language, text: fenced ?? indented ?? '' });
    else section = heading;
  }
  return blocks;
}

/** The commands on a page, or in one section of it: the text of each `sh` block, in order. */
export const commandsIn = (page: string, section?: string) =>
  allBlocks(page).flatMap((block) =>
    block.language === 'sh' && (section === undefined || block.section === section) ? [block.text] : [],
  );

/** The text of each block of a language on a page, in order. */
export const blocksIn = (page: string, language: string): string[] =>
  allBlocks(page).flatMap((block) => (block.language === language ? [block.text] : []));

/**
 * Commands with what a reader has to replace: `…`, addresses, ports.
 * @param replacements what is written on the page, and what takes its place; all of it has to be there, and no `…` may stay
 */
export function filled(commands: string, replacements: Readonly<Record<string, string>>): string {
  let text = commands;
  for (const [written, value] of Object.entries(replacements)) {
    if (!text.includes(written)) throw new Error(`the page does not say ${written}:\n${commands}`);
    text = text.replaceAll(written, () => value);
  }
  if (text.includes('…')) throw new Error(`something is left to replace:\n${text}`);
  return text;
}

/** The statement by which docs/backup.md finds agents that differ from their history. */
export function restoreCheck(): string {
  const [command = ''] = commandsIn('docs/backup.md', 'Check');
  const [, statement] = /<<'SQL'\n([\s\S]*)\nSQL\n/.exec(command) ?? [];
  if (!statement) throw new Error(`docs/backup.md has no statement: ${command}`);
  return statement;
}

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

export interface SourceFile {
  /** Its path from the project's folder on. */
  readonly name: string;
  readonly lines: readonly string[];
}

/** A rule of the architecture, with what it must catch and what it must keep: each a small project of its own. */
export interface Rule {
  /** As the table of rooms in CONTRIBUTING.md names it. */
  readonly says: string;
  /** What breaks it, a line for each. */
  readonly breaches: (files: readonly SourceFile[]) => string[];
  readonly caught: readonly Project[];
  readonly kept: readonly Project[];
}

/** The texts of files by their names. */
export type Project = Readonly<Record<string, string>>;

export const sourcesOf = (project: Project): SourceFile[] =>
  Object.entries(project).map(([name, text]) => ({ name, lines: text.split('\n') }));

/** The TypeScript files in a folder of the project, without generated ones. */
export const filesIn = (folder: string): SourceFile[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/^(generated|\.)/.test(name))
    .map((name) => ({ name: `${folder}/${name}`, lines: readFileSync(join(root, folder, name), 'utf8').split('\n') }));

/** What a line says beside comments; a line inside a comment says nothing. */
export const codeOf = (line: string) => (/^\s*(\/?\*|\/\/)/.test(line) ? '' : line.replace(/\s\/\/ .*$/, ''));

/** What a file imports or exports again, types too: files of the project by their names, packages as they are written. */
export function importsOf({ name, lines }: SourceFile): string[] {
  const statements = lines
    .join('\n')
    .matchAll(/^(?:import|export|\}) [^'\n]*?\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm);
  const targets = [...statements].map(([, from, effect, later]) => from ?? effect ?? later ?? '');
  return targets.map((target) => (target.startsWith('.') ? join(dirname(name), target) : target));
}

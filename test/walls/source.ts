import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

export interface SourceFile {
  /** The path from the root of the project. */
  readonly name: string;
  readonly lines: readonly string[];
}

/** A rule of the architecture, with small projects that break it and that keep it. */
export interface Rule {
  /** The wording of the rule in CONTRIBUTING.md. */
  readonly says: string;
  /** The breaches, one line each. */
  readonly breaches: (files: readonly SourceFile[]) => string[];
  readonly caught: readonly Project[];
  readonly kept: readonly Project[];
}

/** Files with their text. */
export type Project = Readonly<Record<string, string>>;

export const sourcesOf = (project: Project): SourceFile[] =>
  Object.entries(project).map(([name, text]) => ({ name, lines: text.split('\n') }));

/** The TypeScript files in a folder of the project, without generated ones. */
export const filesIn = (folder: string): SourceFile[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/^(generated|\.)/.test(name))
    .map((name) => ({ name: `${folder}/${name}`, lines: readFileSync(join(root, folder, name), 'utf8').split('\n') }));

/** A line without its comments; empty if it is inside a comment. */
export const codeOf = (line: string) => (/^\s*(\/?\*|\/\/)/.test(line) ? '' : line.replace(/\s\/\/ .*$/, ''));

/** The imports and re-exports of a file, types included: files of the project by name, packages as written. */
export function importsOf({ name, lines }: SourceFile): string[] {
  const statements = lines
    .join('\n')
    .matchAll(/^(?:import|export|\}) [^'\n]*?\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm);
  const targets = [...statements].map(([, from, effect, later]) => from ?? effect ?? later ?? '');
  return targets.map((target) => (target.startsWith('.') ? join(dirname(name), target) : target));
}

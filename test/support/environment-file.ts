import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

const root = join(import.meta.dirname, '..', '..');

/**
 * The variables of the file `.env` in a folder, each one empty. A program that is given them reads no value from the file:
 * variables of the process have precedence, and an empty one counts as missing.
 */
export function emptied(folder: string): Record<string, string> {
  const file = join(folder, '.env');
  // The decoder removes a byte order mark.
  const text = existsSync(file) ? new TextDecoder().decode(readFileSync(file)) : '';
  return Object.fromEntries(Object.keys(parseEnv(text)).map((name) => [name, '']));
}

/**
 * What a program has of this process's variables: PATH, HOME and TMPDIR, so that its temporary files are deleted with the
 * test run. In the checkout also those of a developer's `.env`, empty, so that no test acts on the database that it names.
 */
export function inherited(cwd = root): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR = '' } = process.env;
  return { ...(cwd === root && emptied(root)), PATH, HOME, TMPDIR };
}

import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { environmentSchema } from './config.ts';
import { nearestName } from './nearest-name.ts';
import { StartError } from './start-error.ts';

type Environment = Record<string, string | undefined>;

/**
 * Adds the variables of a file `.env` in the current folder, where there is one, behind those of the process.
 * @returns a sentence for each name, in the file or the environment, that is close to the name of a variable
 * @throws StartError when the file is not UTF-8
 */
export function addEnvironmentFile(environment: Environment): string[] {
  const file = readEnvironmentFile();
  const notes = misspelled(Object.keys(environment), 1);
  // What stands in the file is for this server, so more of it is taken for a slip.
  const ofFile = misspelled(Object.keys(file), 2);
  for (const [name, value] of Object.entries(file)) environment[name] ??= value;
  return [...new Set([...notes, ...ofFile])];
}

function readEnvironmentFile(): Environment {
  try {
    // Without the byte order mark that the file may begin with.
    return parseEnv(new TextDecoder('utf-8', { fatal: true }).decode(readFileSync('.env')));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return {};
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') throw new StartError('the file .env must be UTF-8');
    throw error;
  }
}

/** @param slips fewer in a short name, where they are too likely another word: HOME is no slip of HOST */
function misspelled(names: readonly string[], slips: number): string[] {
  const known = Object.keys(environmentSchema.properties);
  return names.flatMap((name) => {
    if (known.includes(name)) return [];
    const meant =
      known.find((other) => isSwap(name, other)) ?? nearestName(name, known, slips - (name.length < 6 ? 1 : 0));
    return meant === undefined ? [] : [`${name} is no variable of this program: did you mean ${meant}?`];
  });
}

/** Whether two letters beside each other changed places. */
function isSwap(written: string, name: string): boolean {
  const at = [...name].findIndex((letter, place) => letter !== written[place]);
  const [first = '', second = ''] = name.slice(at);
  return at >= 0 && written === name.slice(0, at) + second + first + name.slice(at + 2);
}

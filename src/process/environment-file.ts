import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { environmentSchema } from '../config.ts';
import { hasCode, StartError } from '../errors.ts';
import { nearestName } from '../http/nearest-name.ts';

type Environment = Record<string, string | undefined>;

/**
 * Adds the variables of the file `.env` in the current folder, if there is one. Variables of the process have precedence.
 * @returns a warning for each name, in the file or the environment, that is similar to the name of a known variable
 * @throws StartError if the file cannot be read, or is not UTF-8
 */
export function addEnvironmentFile(environment: Environment): string[] {
  const file = readEnvironmentFile();
  const notes = misspelled(Object.keys(environment), 1);
  // The file is for this server only, so a less similar name counts as a typo too.
  const ofFile = misspelled(Object.keys(file), 2);
  for (const [name, value] of Object.entries(file)) environment[name] ??= value;
  return [...new Set([...notes, ...ofFile])];
}

function readEnvironmentFile(): Environment {
  try {
    // The decoder removes a byte order mark.
    return parseEnv(new TextDecoder('utf-8', { fatal: true }).decode(readFileSync('.env')));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return {};
    if (hasCode(error, 'ERR_ENCODING_INVALID_ENCODED_DATA')) throw new StartError('the file .env must be UTF-8');
    if (hasCode(error, 'EACCES', 'EPERM', 'EISDIR')) {
      throw new StartError(`the file .env cannot be read (${error.message}): let this user read it, or move it away`);
    }
    throw error;
  }
}

/** @param slips letters that may differ; fewer in a short name, which could be another word: HOME is no typo of HOST */
function misspelled(names: readonly string[], slips: number): string[] {
  const known = Object.keys(environmentSchema.properties);
  return names.flatMap((name) => {
    if (known.includes(name)) return [];
    const meant =
      known.find((other) => isSwap(name, other)) ?? nearestName(name, known, slips - (name.length < 6 ? 1 : 0));
    return meant === undefined ? [] : [`${name} is no variable of this program: did you mean ${meant}?`];
  });
}

/** Whether two neighbouring letters are exchanged. */
function isSwap(written: string, name: string): boolean {
  const at = [...name].findIndex((letter, place) => letter !== written[place]);
  const [first = '', second = ''] = name.slice(at);
  return at >= 0 && written === name.slice(0, at) + second + first + name.slice(at + 2);
}

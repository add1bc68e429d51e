import { writeFile } from 'node:fs/promises';
import type { JsonObject } from '../src/http/json.ts';
import type { Dataset } from './plan.ts';

/** Bodies of different kinds, so that successive requests differ. */
const kinds = 4;
const bodies = 64;

/** A metadata key that gets a new number with each request, so that every request is a real change. */
const counter = 'syncNumber';
const place = '"#"';

/** The members of large metadata, and the characters of each: together just under the limit of 10 KB. */
const largeMembers = 10;
const largeLength = 990;

/**
 * Writes the bodies of a load: pairs of lines, between which the number goes.
 *
 * They replace top-level keys of metadata by scalars and set other fields to values that are accepted, since that is
 * what fastify-pg can do in one statement.
 */
export async function writeBodies(file: string, metadata: Dataset['metadata']): Promise<void> {
  const random = randomFrom(1);
  const made = Array.from({ length: bodies }, (_, index) =>
    JSON.stringify(bodyOf(index, metadata, random)).split(place),
  );
  await writeFile(file, `${made.flat().join('\n')}\n`);
}

/** One body of each kind, with numbers from 1. */
export function exampleBodies(): string[] {
  const random = randomFrom(2);
  const examples = Array.from({ length: kinds }, (_, index) => bodyOf(index, 'small', random));
  return examples.map((body, index) => JSON.stringify(body).replace(place, String(index + 1)));
}

function bodyOf(index: number, size: Dataset['metadata'], random: () => number): object {
  const changing = { [counter]: '#', ...(size === 'large' && largeMetadata(random)) };
  const stage = ['sourced', 'screening', 'interview', 'offer'][Math.floor(random() * 4)] ?? '';
  switch (index % kinds) {
    case 0:
      return { metadata: { ...changing, stage, synced: true } };
    case 1:
      return { duration: 15 + (index % 60), metadata: { ...changing, stage } };
    case 2:
      return { questions: Array.from({ length: 5 }, () => `${textOf(60, random)}?`), metadata: changing };
    default:
      return {
        name: `Interview ${index}`,
        language: ['EN', 'DE', 'FR', 'ES'][index % 3],
        instructions: textOf(150, random),
        metadata: { ...changing, openings: index },
      };
  }
}

/** Metadata of almost 10 KB. */
export function largeMetadata(random = randomFrom(3)): JsonObject {
  return Object.fromEntries(
    Array.from({ length: largeMembers }, (_, index) => [`notes${index}`, textOf(largeLength, random)]),
  );
}

const syllables = [
  'ka',
  'ro',
  'mi',
  'sen',
  'tal',
  'vo',
  'ne',
  'dur',
  'li',
  'pas',
  'eg',
  'un',
  'tor',
  'bel',
  'qui',
  'za',
];

/** Text that does not compress well. */
function textOf(length: number, random: () => number): string {
  let text = '';
  while (text.length < length) text += `${random() < 0.3 ? ' ' : ''}${syllables[Math.floor(random() * 16)]}`;
  return text.slice(0, length).trim();
}

/** Numbers from 0 to 1, the same in each run: the generator of Park and Miller. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

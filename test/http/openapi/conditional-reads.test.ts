import { expect, test } from 'vitest';
import type { Document } from '../../support/document.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const operations = async () => {
  const { paths }: Document = JSON.parse((await world.send({ method: 'GET', path: '/openapi.json' })).text);
  return Object.values(paths).flatMap((path) => Object.values(path));
};

test('each operation that can answer 304 has the header If-None-Match in the document', async () => {
  const conditional = (await operations()).filter(({ responses }) => '304' in responses);
  expect(conditional.map(({ operationId }) => operationId).toSorted()).toEqual(['getAgent', 'getProblem']);
  for (const { parameters } of conditional) {
    expect(parameters).toContainEqual(expect.objectContaining({ in: 'header', name: 'If-None-Match' }));
  }
});

test('the document says of each Location that it is absolute or a path', async () => {
  const locations = (await operations()).flatMap(({ responses }) => responses['201']?.headers['Location'] ?? []);
  const description = expect.stringMatching(
    /^The address of the \w+: absolute if the server knows its own, else a path$/,
  );
  expect(locations).toEqual([expect.objectContaining({ description }), expect.objectContaining({ description })]);
});

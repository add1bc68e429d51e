import { expect, test } from 'vitest';
import { askOnce } from '../../src/database/ask-once.ts';

test('items with the same key share an answer only if they are equal, and each gets its own, in order', async () => {
  const asked: string[] = [];
  const answers = await askOnce(
    ['a1', 'b1', 'a1', 'a2', 'a2', 'a1', 'b1'],
    (item) => item.charAt(0),
    (one, other) => one === other,
    async (distinct) => {
      asked.push(...distinct);
      return distinct.map((item) => `answer to ${item}`);
    },
  );
  expect(answers).toEqual(['a1', 'b1', 'a1', 'a2', 'a2', 'a1', 'b1'].map((item) => `answer to ${item}`));
  expect(asked).toEqual(['a1', 'b1', 'a2', 'a1']);
});

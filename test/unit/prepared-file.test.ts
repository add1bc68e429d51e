import { expect, test } from 'vitest';
import { onceMade } from '../../src/http/prepared-file.ts';

test('a file that could not be made is made at the next request, and then once for all', async () => {
  let calls = 0;
  const file = onceMade(async () => {
    calls += 1;
    if (calls === 1) throw new Error('no memory');
    return calls;
  });
  const first = await Promise.allSettled([file(), file()]);
  expect(first.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await Promise.all([file(), file()])).toEqual([2, 2]);
  expect(await file()).toBe(2);
});

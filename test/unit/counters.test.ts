import { expect, test } from 'vitest';
import { memoryCounters } from '../../src/auth/counters.ts';

const once = [{ name: 'refused', limit: 1 }] as const;

test('of all addresses that send refused keys the last 100,000 are remembered, and keys are never forgotten for them', async () => {
  const counters = memoryCounters();
  const key = [{ name: 'minute', limit: 1 }] as const;
  const isCounted = async (id: string, limits: typeof once | typeof key = once) =>
    (await counters.count(id, limits)).isCounted;
  expect(await isCounted('a key', key)).toBe(true);
  for (let count = 0; count <= 100_000; count += 1) expect(await isCounted(`address ${count}`)).toBe(true);
  expect([await isCounted('address 100000'), await isCounted('address 1')]).toEqual([false, false]);
  // The first one was forgotten for the last one, and counts anew, for which the next one is forgotten.
  expect(await isCounted('address 0')).toBe(true);
  expect(await isCounted('address 1')).toBe(true);
  expect(await isCounted('a key', key)).toBe(false);
});

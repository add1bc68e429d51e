import { expect, test } from 'vitest';
import { memoryCounters } from '../../src/auth/counters.ts';

const once = [{ name: 'refused', limit: 1 }] as const;

test('refused keys are counted for the last 100,000 addresses, and the counts of keys are never dropped for them', async () => {
  const counters = memoryCounters();
  const key = [{ name: 'minute', limit: 1 }] as const;
  const isCounted = async (id: string, limits: typeof once | typeof key = once) =>
    (await counters.count(id, limits)).isCounted;
  expect(await isCounted('a key', key)).toBe(true);
  for (let count = 0; count <= 100_000; count += 1) expect(await isCounted(`address ${count}`)).toBe(true);
  expect([await isCounted('address 100000'), await isCounted('address 1')]).toEqual([false, false]);
  // The last address replaced the first. The first starts again and replaces the second.
  expect(await isCounted('address 0')).toBe(true);
  expect(await isCounted('address 1')).toBe(true);
  expect(await isCounted('a key', key)).toBe(false);
});

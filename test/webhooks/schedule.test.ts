import { expect, test } from 'vitest';
import { nextWait } from '../../src/webhooks/schedule.ts';

const now = new Date('2026-11-29T12:00:00.000Z');
const waits = (random: number) => Array.from({ length: 10 }, (_, at) => nextWait({ attempts: at + 1, random, now }));
const second = 1_000;
const hour = 3_600 * second;
const documented = [5, 30, 120, 600, 3_600, 10_800, 28_800, 43_200, 86_400].map((seconds) => seconds * second);

test('a delivery has ten attempts, with the documented waits between them', () => {
  expect(waits(0.5)).toEqual([...documented, undefined]);
});

test('each wait varies by up to a fifth in both directions', () => {
  expect(waits(0)).toEqual([...documented.map((wait) => wait * 0.8), undefined]);
  expect(
    waits(0.999_999)
      .slice(0, 9)
      .map((wait) => Math.round((wait ?? 0) / second)),
  ).toEqual(documented.map((wait) => Math.round((wait * 1.2) / second)));
});

test.each([
  ['120', 120 * second],
  ['Sun, 29 Nov 2026 12:10:00 GMT', 600 * second],
  ['86400', 24 * hour],
  // More than a day counts as a day.
  ['86401', 24 * hour],
  ['999999999999999999999999', 24 * hour],
  ['Thu, 31 Dec 2026 12:00:00 GMT', 24 * hour],
  // Shorter than the wait of the schedule, in the past, or invalid by RFC 9110.
  ['1', 5 * second],
  ['0', 5 * second],
  ['Sat, 28 Nov 2026 12:00:00 GMT', 5 * second],
  ['-5', 5 * second],
  ['1.5', 5 * second],
  ['2030', 2_030 * second],
  ['2030-01-01', 5 * second],
  ['soon', 5 * second],
  ['Xyz, 99 Foo 2026 12:00:00 GMT', 5 * second],
  ['', 5 * second],
])('Retry-After: %s', (retryAfter, wait) => {
  expect(nextWait({ attempts: 1, retryAfter, random: 0.5, now })).toBe(wait);
});

test('Retry-After does not add an attempt after the last one', () => {
  expect(nextWait({ attempts: 10, retryAfter: '60', random: 0.5, now })).toBeUndefined();
});

import { expect, test } from 'vitest';
import { group, type Outcome } from '../../src/database/group.ts';
import { ApiError } from '../../src/http/problems.ts';

/** A group whose batches end when the test says so. */
function heldGroup({ size = 32, waiting = 1000 } = {}) {
  const batches: { items: readonly string[]; end: (outcomes: Outcome<string>[]) => void }[] = [];
  const expired = new Set<string>();
  const call = group<string, string>({
    size,
    waiting,
    isExpired: (item) => expired.has(item),
    run: (items) => new Promise((end) => batches.push({ items, end })),
  });
  const done = (items: readonly string[]) => items.map((item) => ({ result: `${item} done` }));
  return {
    call,
    expired,
    batches,
    /** Ends the batch under way and lets the next one begin. */
    async endBatch(outcomes: (items: readonly string[]) => Outcome<string>[] = done) {
      const batch = batches.at(-1);
      batch?.end(outcomes(batch.items));
      await new Promise(setImmediate);
    },
  };
}

test('a lone call on an idle group begins at once, before the caller goes on', () => {
  const { call, batches } = heldGroup();
  void call('a');
  expect(batches.map(({ items }) => items)).toEqual([['a']]);
});

test('calls that arrive while a batch is under way become the next one, in their order', async () => {
  const { call, batches, endBatch } = heldGroup();
  const results = ['a', 'b', 'c', 'd'].map(call);
  await endBatch();
  await endBatch();
  expect(batches.map(({ items }) => items)).toEqual([['a'], ['b', 'c', 'd']]);
  expect(await Promise.all(results)).toEqual(['a done', 'b done', 'c done', 'd done']);
});

test('a batch has at most its size, the others wait for the next', async () => {
  const { call, batches, endBatch } = heldGroup({ size: 2 });
  const results = ['a', 'b', 'c', 'd'].map(call);
  for (let batch = 0; batch < 3; batch += 1) await endBatch();
  expect(batches.map(({ items }) => items)).toEqual([['a'], ['b', 'c'], ['d']]);
  await Promise.all(results);
});

test('a full queue refuses at once with 503 and Retry-After, and takes calls again as soon as there is room', async () => {
  const { call, batches, endBatch } = heldGroup({ waiting: 2 });
  const taken = ['a', 'b', 'c'].map(call);
  const refused = await call('d').catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ApiError);
  expect(refused).toMatchObject({ code: 'OVERLOADED', status: 503, headers: { 'retry-after': '1' } });
  await endBatch();
  const later = call('e');
  await endBatch();
  await endBatch();
  expect(batches.map(({ items }) => items)).toEqual([['a'], ['b', 'c'], ['e']]);
  expect(await Promise.all([...taken, later])).toEqual(['a done', 'b done', 'c done', 'e done']);
});

test('an item whose caller was answered while it waited never begins', async () => {
  const { call, batches, expired, endBatch } = heldGroup();
  const first = call('a');
  void call('b');
  const third = call('c');
  expired.add('b');
  await endBatch();
  await endBatch();
  expect(batches.map(({ items }) => items)).toEqual([['a'], ['c']]);
  expect(await Promise.all([first, third])).toEqual(['a done', 'c done']);
});

/** Runs calls through a group whose `run` fails as told; returns what was run and how each call ended. */
async function failing(items: readonly string[], fail: (items: readonly string[]) => unknown) {
  const runs: (readonly string[])[] = [];
  const call = group<string, string>({
    size: 32,
    waiting: 1000,
    isExpired: () => false,
    async run(batch) {
      runs.push(batch);
      await new Promise(setImmediate);
      const error = fail(batch);
      if (error) throw error;
      return batch.map((item) => ({ result: `${item} done` }));
    },
  });
  const ends = await Promise.allSettled(items.map(call));
  return { runs, ends: ends.map((end) => (end.status === 'fulfilled' ? end.value : end.reason)) };
}

test('a batch that fails, fails whole and is never run again', async () => {
  const lost = new ApiError('DATABASE_UNAVAILABLE');
  const { runs, ends } = await failing(['a', 'b', 'c'], (items) => items.includes('b') && lost);
  expect(runs).toEqual([['a'], ['b', 'c']]);
  expect(ends).toEqual(['a done', lost, lost]);
});

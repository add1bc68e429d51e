import { expect, test } from 'vitest';
import { group, type Outcome } from '../../src/database/group.ts';
import { ApiError } from '../../src/http/problems.ts';

/** Resolves in the next turn of the event loop. */
const nextTurn = () => new Promise(setImmediate);

/** A group whose batches end when the test says so. */
function heldGroup({ size = 32, waiting = 1000 } = {}) {
  const batches: { items: readonly string[]; end: (outcomes: Outcome<string>[]) => void }[] = [];
  const expired = new Set<string>();
  const waitingOn: number[] = [];
  const call = group<string, string>({
    size,
    waiting,
    isExpired: (item) => expired.has(item),
    onQueue: (left) => waitingOn.push(left),
    run: (items) => new Promise((end) => batches.push({ items, end })),
  });
  const done = (items: readonly string[]) => items.map((item) => ({ result: `${item} done` }));
  return {
    call,
    expired,
    batches,
    /** The numbers of waiting calls as they were reported. */
    waitingOn,
    /** Calls the first item in a turn of its own, so that it is a batch alone, and the others in the next turn. */
    async callAll([first = '', ...others]: readonly string[]) {
      const begun = call(first);
      await nextTurn();
      return [begun, ...others.map(call)];
    },
    /** Ends the running batch and lets the next one begin. */
    async endBatch(outcomes: (items: readonly string[]) => Outcome<string>[] = done) {
      const batch = batches.at(-1);
      batch?.end(outcomes(batch.items));
      await nextTurn();
      await nextTurn();
    },
  };
}

test('the calls of one turn of the event loop form one batch, which begins at the end of the turn', async () => {
  const { call, batches } = heldGroup();
  const results = [call('a')];
  await Promise.resolve();
  results.push(call('b'));
  expect(batches).toEqual([]);
  await nextTurn();
  expect(batches.map(({ items }) => items)).toEqual([['a', 'b']]);
  batches[0]?.end([{ result: 'a done' }, { result: 'b done' }]);
  expect(await Promise.all(results)).toEqual(['a done', 'b done']);
});

test('calls in the turn in which a batch ends belong to the next batch', async () => {
  const { callAll, call, batches } = heldGroup();
  const results = await callAll(['a', 'b']);
  batches[0]?.end([{ result: 'a done' }]);
  // As many promise steps as in the server, within the same turn.
  for (let step = 0; step < 20; step += 1) await results[0];
  results.push(call('c'));
  await nextTurn();
  await nextTurn();
  expect(batches.map(({ items }) => items)).toEqual([['a'], ['b', 'c']]);
  batches[1]?.end([{ result: 'b done' }, { result: 'c done' }]);
  expect(await Promise.all(results)).toEqual(['a done', 'b done', 'c done']);
});

test('calls that arrive while a batch runs form the next one, in order', async () => {
  const { callAll, batches, endBatch } = heldGroup();
  const results = await callAll(['a', 'b', 'c', 'd']);
  await endBatch();
  await endBatch();
  expect(batches.map(({ items }) => items)).toEqual([['a'], ['b', 'c', 'd']]);
  expect(await Promise.all(results)).toEqual(['a done', 'b done', 'c done', 'd done']);
});

test('a batch has at most its maximum size, and the other calls wait for the next', async () => {
  const { callAll, batches, endBatch } = heldGroup({ size: 2 });
  const results = await callAll(['a', 'b', 'c', 'd']);
  for (let batch = 0; batch < 3; batch += 1) await endBatch();
  expect(batches.map(({ items }) => items)).toEqual([['a'], ['b', 'c'], ['d']]);
  await Promise.all(results);
});

test('a full queue refuses at once with 503 and Retry-After, and accepts calls again as soon as there is room', async () => {
  const { call, callAll, batches, endBatch } = heldGroup({ waiting: 2 });
  const taken = await callAll(['a', 'b', 'c']);
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

test('an item whose deadline passes while it waits never begins and is rejected', async () => {
  const { callAll, batches, expired, endBatch } = heldGroup();
  const [first, second, third] = await callAll(['a', 'b', 'c']);
  expired.add('b');
  const rejected = expect(second).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  await endBatch();
  await endBatch();
  expect(batches.map(({ items }) => items)).toEqual([['a'], ['c']]);
  expect(await Promise.all([first, third])).toEqual(['a done', 'c done']);
  await rejected;
});

test('the number of waiting calls is reported until it is 0, also where the time of all of them is up', async () => {
  const { callAll, batches, expired, endBatch, waitingOn } = heldGroup({ size: 2 });
  const results = Promise.allSettled(await callAll(['a', 'b', 'c', 'd', 'e', 'f']));
  await endBatch();
  expect(waitingOn).toEqual([0, 3]);
  for (const item of ['d', 'e', 'f']) expired.add(item);
  await endBatch();
  await nextTurn();
  expect(waitingOn).toEqual([0, 3, 1, 0]);
  expect(batches.map(({ items }) => items)).toEqual([['a'], ['b', 'c']]);
  expect((await results).map(({ status }) => status)).toEqual([
    ...Array(3).fill('fulfilled'),
    ...Array(3).fill('rejected'),
  ]);
});

/** Runs calls through a group whose `run` fails as given; returns what was run and how each call ended. */
async function failing(items: readonly string[], fail: (items: readonly string[]) => unknown) {
  const runs: (readonly string[])[] = [];
  const call = group<string, string>({
    size: 32,
    waiting: 1000,
    isExpired: () => false,
    async run(batch) {
      runs.push(batch);
      await nextTurn();
      const error = fail(batch);
      if (error) throw error;
      return batch.map((item) => ({ result: `${item} done` }));
    },
  });
  const [first = '', ...others] = items;
  const begun = call(first);
  await nextTurn();
  const ends = await Promise.allSettled([begun, ...others.map(call)]);
  return { runs, ends: ends.map((end) => (end.status === 'fulfilled' ? end.value : end.reason)) };
}

test('a batch that fails fails for all of its calls and is not run again', async () => {
  const lost = new ApiError('DATABASE_UNAVAILABLE');
  const { runs, ends } = await failing(['a', 'b', 'c'], (items) => items.includes('b') && lost);
  expect(runs).toEqual([['a'], ['b', 'c']]);
  expect(ends).toEqual(['a done', lost, lost]);
});

import { expect, test } from 'vitest';
import { recentWrites } from '../../src/database/recent-writes.ts';

test('a read counts as current only if it began after the last write of the row', () => {
  const writes = recentWrites();
  const before = writes.beginRead();
  expect(writes.isCurrent('a', before)).toBe(true);
  writes.wrote('a');
  expect(writes.isCurrent('a', before)).toBe(false);
  expect(writes.isCurrent('b', before)).toBe(true);
  const behind = writes.beginRead();
  expect(writes.isCurrent('a', behind)).toBe(true);
  writes.wrote('a');
  expect(writes.isCurrent('a', behind)).toBe(false);
});

test('beyond the limit the oldest write is dropped, and then no read from before it counts as current', () => {
  const writes = recentWrites(2);
  const before = writes.beginRead();
  writes.wrote('a');
  const between = writes.beginRead();
  for (const id of ['b', 'c']) writes.wrote(id);
  expect(['a', 'b', 'c', 'd'].map((id) => writes.isCurrent(id, before))).toEqual([false, false, false, false]);
  expect(['a', 'b', 'c', 'd'].map((id) => writes.isCurrent(id, between))).toEqual([true, false, false, true]);
});

test('writing a row again moves it to the end of the order in which writes are dropped', () => {
  const writes = recentWrites(2);
  for (const id of ['a', 'b', 'a']) writes.wrote(id);
  const between = writes.beginRead();
  writes.wrote('c');
  expect(['a', 'b', 'c'].map((id) => writes.isCurrent(id, between))).toEqual([true, true, false]);
});

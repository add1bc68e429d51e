import { expect, test } from 'vitest';
import { recentWrites } from '../../src/database/recent-writes.ts';

test('a row is current for what was read behind its last write, and for nothing before', () => {
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

test('past the limit the row that was written first is forgotten, and no reading before its write is current', () => {
  const writes = recentWrites(2);
  const before = writes.beginRead();
  writes.wrote('a');
  const between = writes.beginRead();
  for (const id of ['b', 'c']) writes.wrote(id);
  expect(['a', 'b', 'c', 'd'].map((id) => writes.isCurrent(id, before))).toEqual([false, false, false, false]);
  expect(['a', 'b', 'c', 'd'].map((id) => writes.isCurrent(id, between))).toEqual([true, false, false, true]);
});

test('a row that is written again is not the one that is forgotten', () => {
  const writes = recentWrites(2);
  for (const id of ['a', 'b', 'a']) writes.wrote(id);
  const between = writes.beginRead();
  writes.wrote('c');
  expect(['a', 'b', 'c'].map((id) => writes.isCurrent(id, between))).toEqual([true, true, false]);
});

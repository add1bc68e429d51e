import { expect, test } from 'vitest';
import { writtenRows, writtenTimes } from '../../src/agents/write/written.ts';
import { wasUndone } from '../../src/database/failures.ts';

const failureOf = (...rows: readonly object[]): unknown => {
  try {
    return writtenTimes(writtenRows(rows));
  } catch (error) {
    return error;
  }
};

test('the times of the written agents are returned', () => {
  const updatedAt = '2026-11-20T10:30:00.123+00:00';
  expect(writtenTimes([{ id: 'a', updatedAt, hasEndpoint: false }])).toEqual(
    new Map([['a', new Date('2026-11-20T10:30:00.123Z')]]),
  );
});

test('an unreadable time is an error after which nothing is run again, because the agent was written', () => {
  const unread = failureOf({ id: 'a', updatedAt: '20.11.2026 10:30:00.123 UTC', hasEndpoint: false });
  expect(unread).toMatchObject({ code: 'INTERNAL_ERROR', status: 500 });
  expect(wasUndone(unread)).toBe(false);
});

test('if nothing was written because a key was looked up too long ago, there are no times', () => {
  expect(writtenTimes([{ id: null, updatedAt: null, hasEndpoint: false }])).toBeUndefined();
});

test('rows of another shape are an error after which nothing is run again, because agents may have been written', () => {
  const unread = failureOf({ id: 'a', updatedAt: new Date(), hasEndpoint: false });
  expect(unread).toMatchObject({ code: 'INTERNAL_ERROR', status: 500 });
  expect(wasUndone(unread)).toBe(false);
});

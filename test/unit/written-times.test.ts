import { expect, test } from 'vitest';
import { writtenTimes } from '../../src/agents/write/written.ts';
import { wasUndone } from '../../src/database/failures.ts';

const failureOf = (...rows: Parameters<typeof writtenTimes>[0]): unknown => {
  try {
    return writtenTimes(rows);
  } catch (error) {
    return error;
  }
};

test('the times of the written agents are returned', () => {
  const updatedAt = '2026-11-20T10:30:00.123+00:00';
  expect(writtenTimes([{ id: 'a', updatedAt }])).toEqual(new Map([['a', new Date('2026-11-20T10:30:00.123Z')]]));
});

test('an unreadable time is an error after which nothing is run again, because the agent was written', () => {
  const unread = failureOf({ id: 'a', updatedAt: '20.11.2026 10:30:00.123 UTC' });
  expect(unread).toMatchObject({ code: 'INTERNAL_ERROR', status: 500 });
  expect(wasUndone(unread)).toBe(false);
});

test('if nothing was written, the changes may be run again', () => {
  expect(wasUndone(failureOf({ id: null }))).toBe(true);
});

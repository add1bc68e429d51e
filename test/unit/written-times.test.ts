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

test('the times of agents that were written', () => {
  const updatedAt = '2026-11-20T10:30:00.123+00:00';
  expect(writtenTimes([{ id: 'a', updatedAt }])).toEqual(new Map([['a', new Date('2026-11-20T10:30:00.123Z')]]));
});

test('a time that cannot be read is an error after which nothing is run again, since the agent was written', () => {
  const unread = failureOf({ id: 'a', updatedAt: '20.11.2026 10:30:00.123 UTC' });
  expect(unread).toMatchObject({ code: 'INTERNAL_ERROR', status: 500 });
  expect(wasUndone(unread)).toBe(false);
});

test('where nothing was written, the changes may be run again', () => {
  expect(wasUndone(failureOf({ id: null }))).toBe(true);
});

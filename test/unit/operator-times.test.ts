import { describe, expect, test } from 'vitest';
import { expiry, time } from '../../src/operator/arguments.ts';

describe('a time of the command line', () => {
  test.each([
    ['2030-01-31', '2030-01-31T00:00:00.000Z'],
    ['2030-01-31T12:00+05:30', '2030-01-31T06:30:00.000Z'],
    ['0001-01-01', '0001-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
  ])('%s is %s in UTC', (text, utc) => {
    expect(time(text)).toBe(utc);
  });

  test.each(['0000-06-01', '0001-01-01T00:00:00+10:00', '9999-12-31T23:59:59-10:00'])(
    '%s is refused: in UTC its year is none that PostgreSQL and RFC 3339 write in four digits',
    (text) => {
      expect(() => time(text)).toThrow('It must be in the years 1 to 9999, in UTC.');
    },
  );

  test('is refused as the end of a key beyond the year 9999, as it is in the past', () => {
    expect(() => expiry('9999-12-31T23:59:59-10:00')).toThrow('It must be in the years 1 to 9999, in UTC.');
    expect(() => expiry('2020-01-31')).toThrow('It must be in the future.');
  });
});

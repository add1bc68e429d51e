import { expect, test } from 'vitest';
import { arrayText } from '../../src/database/array-text.ts';

test('hashes, ids, addresses and scopes are written as PostgreSQL reads them, and a missing value as null', () => {
  expect(arrayText(['aB3_-', '0c1a8f0e-5d0e-4f6c-8a37-2f5f3f1f7c22', null, '2001:db8::1', 'read:agents'])).toBe(
    '{aB3_-,0c1a8f0e-5d0e-4f6c-8a37-2f5f3f1f7c22,NULL,2001:db8::1,read:agents}',
  );
});

test.for(['a,b', 'a"', 'a\\', '{a', 'a}', ' a', 'a\n', '', 'null', 'NULL', 'é'])('%j is refused', (value) => {
  expect(() => arrayText(['a', value])).toThrow('a value needs quotes in an array');
});

import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  defaultScopes,
  hashesOf,
  hashKey,
  isScope,
  makeKey,
  makeSecret,
  readKey,
  scopeTable,
  startOf,
} from '../../src/auth/api-key.ts';

const form = /^sk_[0-9A-Za-z]{43}$/;
const sample = `sk_${'aZ09'.repeat(10)}xyz`;

describe('makeKey', () => {
  const makeMany = () => Array.from({ length: 2_000 }, makeKey);

  test('makes sk_ and 43 base-62 characters', () => {
    for (const key of makeMany()) expect(key).toMatch(form);
  });

  test('never makes the same key twice', () => {
    expect(new Set(makeMany()).size).toBe(2_000);
  });

  test('uses every character at every place but the first about equally often', () => {
    const keys = makeMany();
    for (let place = 1; place < 43; place += 1) {
      const counts = new Map<string, number>();
      for (const key of keys) counts.set(key.charAt(3 + place), (counts.get(key.charAt(3 + place)) ?? 0) + 1);
      // 32 of each are expected. Fewer than 5 or more than 80 have a probability below one in 10^8.
      expect([counts.size, Math.min(...counts.values()) >= 5, Math.max(...counts.values()) <= 80]).toEqual([
        62,
        true,
        true,
      ]);
    }
  });

  test('encodes 256 random bits: the first character is a base-62 digit of a number below 2^256', () => {
    const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    const numbers = makeMany().map((key) =>
      [...key.slice(3)].reduce((sum, digit) => sum * 62n + BigInt(alphabet.indexOf(digit)), 0n),
    );
    expect(numbers.every((number) => number < 2n ** 256n)).toBe(true);
    const inUpperHalf = numbers.filter((number) => number >= 2n ** 255n).length;
    // 1,000 are expected, with a standard deviation of 22.
    expect(Math.abs(inUpperHalf - 1_000)).toBeLessThan(150);
  });
});

const accepted = [`Bearer ${sample}`, `bearer ${sample}`, `BEARER ${sample}`, `Bearer    ${sample}`];
const refused = [
  '',
  'Bearer',
  'Bearer ',
  sample,
  `Basic ${sample}`,
  `Bearer${sample}`,
  `Bearer\t${sample}`,
  ` Bearer ${sample}`,
  `Bearer ${sample} `,
  `Bearer ${sample}x`,
  `Bearer ${sample.slice(0, -1)}`,
  `Bearer ${sample.slice(0, -1)}-`,
  `Bearer SK_${sample.slice(3)}`,
  `Bearer ${sample}, Bearer ${sample}`,
  `Bearer "${sample}"`,
  `Bearer ${sample}\n`,
];

describe('readKey', () => {
  test.for(accepted)('finds the key in %j', (header) => {
    expect(readKey(header)).toBe(sample);
  });

  test.for(refused)('finds none in %j', (header) => {
    expect(readKey(header)).toBeUndefined();
  });

  test('finds every key that makeKey makes', () => {
    for (const key of Array.from({ length: 100 }, makeKey)) expect(readKey(`Bearer ${key}`)).toBe(key);
  });
});

describe('hashKey', () => {
  test('is HMAC-SHA256 of the key under the secret, in base64url', () => {
    const expected = createHmac('sha256', 'secret').update(sample).digest('base64url');
    expect(hashKey(sample, 'secret')).toBe(expected);
    expect(hashKey(sample, 'secret')).toMatch(/^[\w-]{43}$/);
  });

  test('differs for another key or another secret', () => {
    const hashes = [hashKey(sample, 'one'), hashKey(sample, 'two'), hashKey(`${sample.slice(0, -1)}A`, 'one')];
    expect(new Set(hashes).size).toBe(3);
  });
});

test('a key is looked up by its hash with the secret, and by that with the previous secret if there is one', () => {
  const [hash, formerHash] = [hashKey(sample, 'new'), hashKey(sample, 'old')];
  expect(hashesOf(sample, { secret: 'new' })).toEqual({ hash, formerHash: null });
  expect(hashesOf(sample, { secret: 'new', previousSecret: 'old' })).toEqual({ hash, formerHash });
});

test('a key’s start is its first eight characters', () => {
  expect(startOf(sample)).toBe('sk_aZ09a');
});

test('a secret has 256 bits and differs each time', () => {
  expect(makeSecret()).toMatch(/^[0-9a-f]{64}$/);
  expect(makeSecret()).not.toBe(makeSecret());
});

test.for(['read:agents', 'write:agents', 'delete:agents'])('%s is a scope', (name) => {
  expect([isScope(name), isScope(name.toUpperCase()), isScope(`${name} `)]).toEqual([true, false, false]);
});

test('a scope that existing keys have names the migration that gave it to them', () => {
  expect(missingMigrations(scopeTable)).toEqual([]);
  expect(missingMigrations({ 'export:agents': { givenToExistingKeys: '20270101000000_export_scope' } })).toEqual([
    'export:agents',
  ]);
});

test('a key that is made without scopes has those that earlier keys have', () => {
  expect(defaultScopes).toEqual(['read:agents', 'write:agents', 'delete:agents']);
});

/** Scopes that a migration should have given to existing keys, but whose script does not name them. */
function missingMigrations(details: Readonly<Record<string, { readonly givenToExistingKeys: string | false }>>) {
  return Object.entries(details)
    .filter(([, { givenToExistingKeys: given }]) => given !== 'always' && given !== false)
    .filter(([scope, { givenToExistingKeys }]) => {
      const script = new URL(`../../prisma/migrations/${givenToExistingKeys}/migration.sql`, import.meta.url);
      return !existsSync(script) || !readFileSync(script, 'utf8').includes(`'${scope}'`);
    })
    .map(([scope]) => scope);
}

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressList, plainBlock, senderOf } from '../../src/http/address.ts';

/** The bits of an address, computed from its bytes. */
const bitsOf = (bytes: readonly number[]) => bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('');

const written = {
  4: (bytes: readonly number[]) => bytes.join('.'),
  16: (bytes: readonly number[]) =>
    Array.from({ length: 8 }, (_, at) => (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16)).join(
      ':',
    ),
};

/** A block, and an address that equals the block's in all bits or in all but one. */
const cases = fc.constantFrom(4, 16).chain((length) =>
  fc.record({
    length: fc.constant(length),
    bytes: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: length, maxLength: length }),
    prefix: fc.integer({ min: 0, max: length * 8 }),
    flipped: fc.integer({ min: -1, max: length * 8 - 1 }),
  }),
);

test('an address is in a block if and only if they share the first bits', () => {
  fc.assert(
    fc.property(cases, ({ length, bytes, prefix, flipped }) => {
      const write = written[length === 4 ? 4 : 16];
      const other = bytes.map((byte, at) => (at === flipped >> 3 ? byte ^ (0x80 >> (flipped & 7)) : byte));
      const isIn = bitsOf(bytes).slice(0, prefix) === bitsOf(other).slice(0, prefix);
      expect(addressList([`${write(bytes)}/${prefix}`])(write(other))).toBe(isIn);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::ffff:c000:207', '192.0.2.7'],
  ['0:0:0:0:0:FFFF:192.0.2.7', '192.0.2.0/24'],
  ['192.0.2.7', '::ffff:192.0.2.7'],
  ['192.0.2.7', '::ffff:192.0.2.0/120'],
  ['2001:DB8:0:0::7', '2001:db8::7'],
  ['fe80::1%eth0', 'fe80::/10'],
])('%s is in %s', (address, block) => {
  expect(addressList([block])(address)).toBe(true);
});

test.each([
  ['192.0.2.7', '::/0'],
  ['::ffff:192.0.2.7', '::/0'],
  ['::1', '0.0.0.0/0'],
  ['::192.0.2.7', '192.0.2.7'],
  ['unknown', '0.0.0.0/0'],
  ['192.0.2.7:443', '0.0.0.0/0'],
  ['', '::/0'],
])('%s is not in %s', (address, block) => {
  expect(addressList([block])(address)).toBe(false);
});

describe('the canonical form of a block', () => {
  test.each([
    ['192.0.2.7/32', '192.0.2.7'],
    ['192.0.2.7/24', '192.0.2.7/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
    ['2001:DB8:0::/32', '2001:db8::/32'],
    ['::1/128', '::1'],
  ])('of %s is %s', (text, plain) => {
    expect(plainBlock(text)).toBe(plain);
  });

  test.each([
    ...['', ' ', 'localhost', '10.1', '10', '010.0.0.1', '0x7f.0.0.1', '10.0.0.256', '10.0.0.0/33', '10.0.0.0/-1'],
    ...['10.0.0.0/08', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/255.0.0.0', ' 10.0.0.1', '10.0.0.1\n', '10.0.0.1,::1'],
    ...['::/129', '::ffff:10.0.0.0/95', 'fe80::1%eth0', '[::1]', '::1::'],
  ])('there is none of %j', (text) => {
    expect(plainBlock(text)).toBeUndefined();
  });
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['1::2:3:4:5:6:7', '1:0:2:3::/64'],
  ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
  ['1:2:3:4::', '1:2:3:4::/64'],
  ['::192.0.2.7', '0:0:0:0::/64'],
  ['not an address', 'unknown'],
  ['', 'unknown'],
  [undefined, 'unknown'],
])('%s counts as %s', (address, block) => {
  expect(senderOf(address)).toBe(block);
});

import { expect, test } from 'vitest';
import { callerAddress } from '../../src/http/address.ts';

/** Characters of an entry of X-Forwarded-For that fills the 16 KiB of all headers. */
const length = 15_800;

/** The processor time of this process for an entry, in microseconds: the least of several rounds. */
function costOf(entry: string): number {
  const rounds = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    for (let time = 0; time < 20; time += 1) callerAddress(entry);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 20;
  });
  return Math.min(...rounds);
}

const hostile = {
  'a bracket and colons': '['.padEnd(length, ':'),
  'colons alone': ':'.repeat(length),
  'brackets and colons in turn': '[:'.repeat(length / 2),
  'an address and a long port': '192.0.2.1:'.padEnd(length, '1'),
  'digits and points': '1.'.repeat(length / 2),
  'zeros and colons': '0:'.repeat(length / 2),
  'a percent sign and letters': '::%'.padEnd(length, 'e'),
};

test.for(Object.entries(hostile))(
  'an entry of X-Forwarded-For of 16 KB costs at most a hundred times what a bracket and as many letters cost: %s',
  ([, entry]) => {
    const plain = costOf('['.padEnd(length, 'x'));
    const cost = costOf(entry);
    console.log(`${cost} µs, letters ${plain} µs`);
    expect(cost / plain).toBeLessThan(100);
  },
);

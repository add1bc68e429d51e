import { expect, test } from 'vitest';
import { connectionsFor } from '../../src/http/bounded-server.ts';

test.each([
  [256, 204],
  [1_024, 819],
  [12_500, 10_000],
  [65_536, 10_000],
  [1_048_576, 10_000],
  [Number.POSITIVE_INFINITY, 10_000],
])('with %d descriptors a server has at most %d connections open', (descriptors, most) => {
  expect(connectionsFor(descriptors)).toBe(most);
});

import { once } from 'node:events';
import { expect, test } from 'vitest';
import { boundedServer, connectionsFor } from '../../src/http/bounded-server.ts';

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

test('the timer of request timeouts, which a shutdown needs, ends with the last connection', async () => {
  const server = boundedServer(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Node shows it under a symbol alone.
  const symbol = Object.getOwnPropertySymbols(server).find(({ description }) =>
    /connectionsChecking/.test(String(description)),
  );
  const timer: { _destroyed?: boolean } = Reflect.get(server, symbol ?? '');
  expect(timer._destroyed).toBe(false);
  const closed = once(server, 'close');
  server.close();
  expect(timer._destroyed).toBe(false);
  await closed;
  expect(timer._destroyed).toBe(true);
});

import { once } from 'node:events';
import { beforeAll, expect, test } from 'vitest';
import { openFlood } from '../support/flood.ts';
import { startUnlimited } from '../support/kept-client.ts';
import { pipelined } from '../support/pipelined.ts';
import { build } from '../support/process.ts';
import { tickedTime } from '../support/ticks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });
const { request, companyWithLargeList } = pipelined(world);

beforeAll(build);

test('an answer whose client takes nothing of it for 10 s is cut off and logged', async () => {
  const { key } = await companyWithLargeList();
  const { server, origin } = await startUnlimited(world, { LOG_LEVEL: 'info' });
  const { socket } = await openFlood(origin, { reads: false });
  const [start, ticked] = [performance.now(), tickedTime()];
  socket.write(request('GET /agents?limit=100', key, 'stalled'));
  await once(socket, 'readable');
  expect(await server.until(/"requestId":"stalled".*"status":(\w+)/)).toBe('200');
  const after = performance.now() - start;
  console.log(`cut after ${(after / 1_000).toFixed(1)} s`);
  expect(after).toBeGreaterThan(9_000);
  // Node's own timeout takes 22 s.
  expect(tickedTime() - ticked).toBeLessThan(15_000);
  socket.destroy();
});

import { once } from 'node:events';
import { beforeAll, expect, test } from 'vitest';
import { openFlood } from '../support/flood.ts';
import { startUnlimited } from '../support/kept-client.ts';
import { pipelined } from '../support/pipelined.ts';
import { build } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });
const { request, companyWithLargeList } = pipelined(world);

beforeAll(build);

type Started = Awaited<ReturnType<typeof startUnlimited>>;

/** Seconds from the first byte of an answer until the server logs its end, for a client that reads so many bytes twice a second. */
async function untilCut({ server, origin }: Started, key: string, bytes: number): Promise<number> {
  const requestId = `reads-${bytes}`;
  const { socket } = await openFlood(origin, { reads: false });
  socket.write(request('GET /agents?limit=100', key, requestId));
  await once(socket, 'readable');
  const start = performance.now();
  const reading = setInterval(() => bytes > 0 && socket.read(Math.min(bytes, socket.readableLength)), 500);
  expect(await server.until(new RegExp(`"requestId":"${requestId}".*"status":(\\w+)`))).toBe('200');
  clearInterval(reading);
  socket.destroy();
  return (performance.now() - start) / 1_000;
}

test('an answer is cut when its client takes nothing of it for 10 s, or has not taken all of it after 60 s, not before', async () => {
  const { key } = await companyWithLargeList(60);
  const started = await startUnlimited(world, { LOG_LEVEL: 'info' });
  // Of slower reading the system tells the server less often than every 10 s: its buffers are that large.
  const [stalled, slow] = await Promise.all([untilCut(started, key, 0), untilCut(started, key, 60_000)]);
  console.log(`cut after ${stalled.toFixed(1)} s without progress, after ${slow.toFixed(1)} s of slow reading`);
  expect(stalled).toBeGreaterThan(9);
  // What a busy machine may add included.
  expect(stalled).toBeLessThan(14);
  expect(slow).toBeGreaterThan(59);
  expect(slow).toBeLessThan(65);
});

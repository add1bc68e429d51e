import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblemShape } from '../support/problem.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';
import { type Malformed, malformedMessages, perhapsValid } from './support/malformed-message.ts';

const connections = 10_000;
/** Concurrent connections. */
const lanes = 25;
/** `SEED=… npm run trust` sends the same bytes again. */
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);

const world = await openWorld({ docs: false });

/** All answers to bytes on a new connection, once there is one or the server has closed it. */
const exchange = ({ bytes, ends }: Malformed) =>
  RawSocket.use(world.origin, async (socket) => {
    socket.write(bytes);
    if (ends) socket.end();
    const isOver = () => socket.ending !== 'open' || socket.answers.some(({ status }) => status >= 200);
    // After some messages the server waits for more bytes until the client ends its side.
    await vi.waitUntil(isOver, { interval: 5, timeout: 1_000 }).catch(() => socket.end());
    await vi.waitUntil(isOver, { interval: 5, timeout: 60_000 });
    return socket.answers;
  });

test(`${connections} malformed requests each get a 4xx or are closed, none is carried out, and other clients are served meanwhile`, async () => {
  console.log(`seed ${seed}, ${connections} connections, ${lanes} at a time`);
  const target = await newSubject(world);
  const before = await storedAgent(world, target.id);
  const uncertainSubject = await newSubject(world);
  const other = await newSubject(world);
  const certain = malformedMessages({ path: `/agents/${target.id}`, key: target.key }).filter(
    ({ kind }) => kind !== perhapsValid,
  );
  const uncertain = malformedMessages({ path: `/agents/${uncertainSubject.id}`, key: uncertainSubject.key }).filter(
    ({ kind }) => kind === perhapsValid,
  );
  const counts = new Map<string, number>();
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);

  const property = fc.asyncProperty(fc.oneof({ weight: 4, arbitrary: certain }, uncertain), async (message) => {
    const answers = await exchange(message);
    for (const answer of answers) {
      const { status, body } = answer;
      if (message.kind === perhapsValid && status < 300) continue;
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expectProblemShape(answer, String(Object(body).instance));
    }
    count(`${message.kind}: ${answers.map(({ status }) => status).join(' ') || 'closed'}`);
  });
  let isOver = false;
  let served = 0;
  const others = async (): Promise<void> => {
    for (; !isOver; served += 1) expect((await world.patch(other.key, other.id, {})).status).toBe(200);
  };
  const attack = Promise.allSettled(
    Array.from({ length: lanes }, (_, lane) =>
      fc.assert(property, { numRuns: connections / lanes, seed: seed + lane }),
    ),
  ).finally(() => {
    isOver = true;
  });
  const [ends] = await Promise.all([attack, others()]);
  console.log(Object.fromEntries([...counts].toSorted()), { served });
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  expect(served).toBeGreaterThan(0);
  expect(await storedAgent(world, target.id)).toEqual(before);
});

import { expect, test } from 'vitest';
import type { Answer } from '../support/http.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

/**
 * The time limit of a slow or silent client (12 s) and a tolerance, in ticks of 100 ms. A timer counts them, so that a time
 * in which this process, with the server in it, does not run is not counted.
 */
const limit = 125;

const world = await openWorld({ limits: 'production' });
const { key, id: agentId } = await newSubject(world);

const patchHead = () =>
  head(
    `PATCH /agents/${agentId} HTTP/1.1`,
    'Host: api',
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    'Content-Length: 1000',
  );

let ticks = 0;

/** Sends the beginning, then one more byte every half second, and reads until the server closes the connection. */
const client = (begin: string, trickle: string) =>
  RawSocket.use(world.origin, async (socket) => {
    socket.write(begin);
    const drop = setInterval(() => socket.write(trickle), 500);
    try {
      const answers = await socket.untilClosed();
      return { answers, ending: socket.ending, after: ticks };
    } finally {
      clearInterval(drop);
    }
  });

test('slow and silent clients are disconnected within 12 s, with 408 after half a request, while others are served', async () => {
  const others: Promise<Answer>[] = [];
  const timer = setInterval(() => {
    ticks += 1;
    others.push(world.send({ method: 'GET', path: '/health/live' }));
  }, 100);
  const clients = Promise.all([
    client('', ''),
    client('PATCH /agents', ''),
    client(head(`PATCH /agents/${agentId} HTTP/1.1`, 'Host: api').slice(0, -2), 'x'),
    client(patchHead(), ''),
    client(`${patchHead()}{"name":"`, 'x'),
    client(patchHead().replace(key, 'wrong'), 'x'),
  ]).finally(() => clearInterval(timer));
  const [silent, startedLine, slowHeaders, noBody, slowBody, refused] = await clients;

  for (const { ending, after } of [silent, startedLine, slowHeaders, noBody, slowBody, refused]) {
    expect(ending).toBe('closed');
    expect(after).toBeLessThanOrEqual(limit);
  }
  expect(new Set((await Promise.all(others)).map(({ status }) => status))).toEqual(new Set([200]));
  for (const [{ answers }, instance] of [
    [startedLine, ''],
    [slowHeaders, ''],
    [noBody, `/agents/${agentId}`],
    [slowBody, `/agents/${agentId}`],
  ] as const) {
    const [answer] = answers;
    expect(answers).toHaveLength(1);
    if (answer) expectProblem(answer, { code: 'REQUEST_TIMEOUT', instance });
    expect(answer?.headers['connection']).toBe('close');
  }
  // This request was answered before its body was complete.
  expect(refused.answers).toMatchObject([{ status: 401 }]);
  expect(silent.answers.map(({ status }) => status)).toEqual([408]);
});

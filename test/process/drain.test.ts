import { once } from 'node:events';
import { beforeAll, expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { openFlood, shortGet } from '../support/flood.ts';
import { type Answer, send } from '../support/http.ts';
import { untilWaiting, whileLocked } from '../support/locks.ts';
import { build, startServer } from '../support/process.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
let key: string;
let companyId: string;

beforeAll(async () => {
  build();
  ({ key, id: companyId } = await world.company());
});

const start = (grace = '3600') =>
  startServer({
    ...{ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, NODE_ENV: 'production' },
    ...{ RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0' },
    // By default longer than the test may take, so that the exit cannot have waited for it.
    SHUTDOWN_GRACE_SECONDS: grace,
  });

const makeAgents = async (count: number) =>
  (await Promise.all(Array.from({ length: count }, () => world.agent(companyId)))).map(({ id }) => id);

const patch = (id: string | undefined, body: object) => {
  const text = JSON.stringify(body);
  const lines = ['Host: api', `Authorization: Bearer ${key}`, 'Content-Type: application/json'];
  return head(`PATCH /agents/${id} HTTP/1.1`, ...lines, `Content-Length: ${text.length}`) + text;
};

/** The stored version, duration and history of an agent. */
async function stored(id: string) {
  const { version, duration } = JSON.parse(await world.row(id));
  return { version, duration, history: (await world.history(id)).map((entry) => entry.version) };
}

const changedOnce = { version: 2, duration: 45, history: [1, 2] };

const hasWarnings = (log: string) => /"level":(40|50|60)/.test(log);

const areServed = (answers: readonly (Answer | undefined)[]) => answers.every((answer) => answer?.status === 200);

/** Stops a server with 100 idle connections, which have had an answer, and 100 with a running request. */
async function stopWithRunning() {
  const { server, origin } = await start();
  const reference = await openAnotherServer(world, { limits: 'production' });
  const [acknowledged, underWay] = [await makeAgents(100), await makeAgents(100)];
  return await RawSocket.useMany(origin, 100, (idle) =>
    RawSocket.useMany(origin, 100, async (running) => {
      const begin = performance.now();
      for (const [at, socket] of idle.entries()) socket.write(patch(acknowledged[at], { duration: 45 }));
      const before = await Promise.all(idle.map((socket) => socket.answer()));

      return await whileLocked(world, 'LOCK TABLE agent IN EXCLUSIVE MODE', [], async (release) => {
        for (const [at, socket] of running.entries()) socket.write(patch(underWay[at], { duration: 45 }));
        await untilWaiting(world);
        server.signal('SIGTERM');
        for (const socket of idle) await socket.untilClosed();
        const waiting = running.map(({ answers, ending }) => [answers, ending]);
        // Half a request to a server with the same connection limits; its time limit is ten seconds.
        const { exit, halfSent } = await RawSocket.use(reference.origin, async (half) => {
          half.write('GET /health');
          await release();
          return { exit: await server.exit, halfSent: half.ending };
        });
        const answers = await Promise.all(running.map((socket) => socket.untilClosed()));
        const milliseconds = performance.now() - begin;
        const endings = [...idle, ...running].map((socket) => socket.ending);
        const seen = { before, waiting, answers, endings, exit, halfSent, milliseconds };
        return { ...seen, acknowledged, underWay, log: server.stdout };
      });
    }),
  );
}

test('at SIGTERM with 100 running and 100 idle connections idle ones are closed, running requests are answered 200 and stored, and the server exits with 0 without waiting for a time limit', async () => {
  const isAsExpected = ({ before, answers, halfSent, log }: Awaited<ReturnType<typeof stopWithRunning>>) =>
    areServed([...before, ...answers.flat()]) && halfSent === 'open' && !hasWarnings(log);
  const seen = await unlessTooSlow(stopWithRunning, isAsExpected);
  expect(seen.before.map(({ status }) => status)).toEqual(Array(100).fill(200));
  expect(seen.waiting).toEqual(Array(100).fill([[], 'open']));
  expect([seen.exit, seen.halfSent]).toEqual([{ code: 0, signal: null }, 'open']);
  for (const [at, answer] of seen.answers.entries()) {
    const body = { id: seen.underWay[at], duration: 45 };
    expect(answer).toMatchObject([{ status: 200, headers: { etag: '"2"', connection: 'close' }, body }]);
  }
  expect(seen.endings).toEqual(Array(200).fill('closed'));
  for (const id of [...seen.acknowledged, ...seen.underWay]) expect(await stored(id)).toEqual(changedOnce);
  expect(hasWarnings(seen.log)).toBe(false);
});

test('requests that were sent before SIGTERM are served even if the server had not read them, on old and new connections', async () => {
  const stopped = async () => {
    const { server, origin } = await start();
    const ids = await makeAgents(100);
    return await RawSocket.useMany(origin, 50, async (old) => {
      for (const socket of old) socket.write(head('GET /health/live HTTP/1.1', 'Host: api'));
      for (const socket of old) await socket.answer();
      // The operating system accepts connections and bytes for the frozen server.
      server.signal('SIGSTOP');
      return await RawSocket.useMany(origin, 50, async (fresh) => {
        const begin = performance.now();
        for (const [at, socket] of [...old, ...fresh].entries()) socket.write(patch(ids[at], { duration: 45 }));
        server.signal('SIGTERM');
        server.signal('SIGCONT');
        const all = await Promise.all([...old, ...fresh].map((socket) => socket.untilClosed()));
        const milliseconds = performance.now() - begin;
        return { ids, answers: all.map((answers) => answers.at(-1)), milliseconds, exit: await server.exit };
      });
    });
  };
  const { ids, answers, exit } = await unlessTooSlow(stopped, (seen) => areServed(seen.answers));
  for (const [at, answer] of answers.entries()) {
    const body = { id: ids[at], duration: 45 };
    expect(answer).toMatchObject({ status: 200, headers: { etag: '"2"' }, body });
  }
  expect(exit).toEqual({ code: 0, signal: null });
  for (const id of ids) expect(await stored(id)).toEqual(changedOnce);
});

test('after the grace period connections are closed on which CONNECT arrived behind a running request', async () => {
  const { server, origin } = await start('1');
  const other = await openAnotherServer(world, { limits: 'production' });
  const { socket } = await openFlood(origin, { reads: false });
  // More than the buffers of the operating system hold.
  socket.write(
    shortGet('/docs/static/swagger-ui-bundle.js').repeat(15) + head('CONNECT api:443 HTTP/1.1', 'Host: api'),
  );
  await once(socket, 'readable');
  // Half a request to a server with the same connection limits; its time limit is that of a client that reads nothing.
  await RawSocket.use(other.origin, async (reference) => {
    reference.write('GET /health');
    await send(other.origin, { method: 'GET', path: '/health/live' });
    socket.read();
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(reference.ending).toBe('open');
  });
  socket.destroy();
});

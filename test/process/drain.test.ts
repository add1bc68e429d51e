import { once } from 'node:events';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { openFlood, shortGet } from '../support/flood.ts';
import { send } from '../support/http.ts';
import { untilWaiting, whileLocked } from '../support/locks.ts';
import { type AtEnd, build, startServer } from '../support/process.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { lateWebhooks, unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
let key: string;
let companyId: string;

beforeAll(async () => {
  build();
  ({ key, id: companyId } = await world.company());
});

/** A grace period that is longer than the test may take, so that the exit cannot have waited for it. */
const longGrace = '3600';

const start = (SHUTDOWN_GRACE_SECONDS: string, atEnd: AtEnd = onTestFinished) => {
  const database = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, NODE_ENV: 'production' };
  const limits = { RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0' };
  return startServer({ ...database, ...limits, SHUTDOWN_GRACE_SECONDS }, { atEnd });
};

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

test('at SIGTERM with 100 running and 100 idle connections idle ones are closed, running requests are answered 200 and stored, and the server exits with 0 without waiting for a time limit', () =>
  unlessTooSlow(async ({ timed, provedBy, atEnd }) => {
    const { server, origin } = await start(longGrace, atEnd);
    provedBy(() => server.stdout.includes(lateWebhooks));
    const reference = await openAnotherServer(world, { limits: 'production' });
    const [acknowledged, underWay] = [await makeAgents(100), await makeAgents(100)];
    await RawSocket.useMany(origin, 100, (idle) =>
      RawSocket.useMany(origin, 100, async (running) => {
        for (const [at, socket] of idle.entries()) socket.write(patch(acknowledged[at], { duration: 45 }));
        const before = await timed(Promise.all(idle.map((socket) => socket.answer())));
        expect(before.map(({ status }) => status)).toEqual(Array(100).fill(200));

        await whileLocked(world, 'LOCK TABLE agent IN EXCLUSIVE MODE', [], async (release) => {
          for (const [at, socket] of running.entries()) socket.write(patch(underWay[at], { duration: 45 }));
          const allAnswered = timed(Promise.all(running.map((socket) => socket.untilClosed())));
          await Promise.race([untilWaiting(world), allAnswered]);
          server.signal('SIGTERM');
          for (const socket of idle) await socket.untilClosed();
          expect(running.map(({ answers, ending }) => [answers, ending])).toEqual(Array(100).fill([[], 'open']));
          // Half a request to a server with the same connection limits; its time limit is ten seconds.
          await RawSocket.use(reference.origin, async (half) => {
            half.write('GET /health');
            await release();
            expect(await server.exit).toEqual({ code: 0, signal: null });
            expect(half.ending).toBe('open');
          });
          for (const [at, answer] of (await allAnswered).entries()) {
            const body = { id: underWay[at], duration: 45 };
            expect(answer).toMatchObject([{ status: 200, headers: { etag: '"2"', connection: 'close' }, body }]);
          }
        });
        expect([...idle, ...running].map(({ ending }) => ending)).toEqual(Array(200).fill('closed'));
      }),
    );
    for (const id of [...acknowledged, ...underWay]) expect(await stored(id)).toEqual(changedOnce);
    expect(server.stdout).not.toMatch(/"level":(40|50|60)/);
  }));

test('requests that were sent before SIGTERM are served even if the server had not read them, on old and new connections', () =>
  unlessTooSlow(async ({ timed, atEnd }) => {
    const { server, origin } = await start(longGrace, atEnd);
    const ids = await makeAgents(100);
    await RawSocket.useMany(origin, 50, async (old) => {
      for (const socket of old) socket.write(head('GET /health/live HTTP/1.1', 'Host: api'));
      for (const socket of old) await socket.answer();
      // The operating system accepts connections and bytes for the frozen server.
      server.signal('SIGSTOP');
      await RawSocket.useMany(origin, 50, async (fresh) => {
        const all = [...old, ...fresh];
        for (const [at, socket] of all.entries()) socket.write(patch(ids[at], { duration: 45 }));
        server.signal('SIGTERM');
        server.signal('SIGCONT');
        const answers = await timed(Promise.all(all.map((socket) => socket.untilClosed())));
        for (const [at, answer] of answers.entries()) {
          const body = { id: ids[at], duration: 45 };
          expect(answer.at(-1)).toMatchObject({ status: 200, headers: { etag: '"2"' }, body });
        }
        expect(await server.exit).toEqual({ code: 0, signal: null });
      });
    });
    for (const id of ids) expect(await stored(id)).toEqual(changedOnce);
  }));

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

import { once } from 'node:events';
import { connect, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { unsentBytes } from '../../src/http/unsent-bytes.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { send } from '../support/http.ts';
import { untilWaiting, whileAgentLocked } from '../support/locks.ts';
import { expectProblem } from '../support/problem.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
let key: string;
let companyId: string;

beforeAll(async () => {
  ({ key, id: companyId } = await world.company());
});

const get = (path: string) => head(`GET ${path} HTTP/1.1`, 'Host: api');

const patchHead = (id: string, length: number) =>
  head(
    `PATCH /agents/${id} HTTP/1.1`,
    'Host: api',
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    `Content-Length: ${length}`,
  );

const patch = (id: string, body: object) => {
  const text = JSON.stringify(body);
  return `${patchHead(id, text.length)}${text}`;
};

/** Resolves when a shutdown has read all that had arrived before it. */
const untilRead = ({ server }: { readonly server: Server }) =>
  vi.waitUntil(() => !server.listening, { timeout: 60_000, interval: 20 });

/** A server that is told to stop while it runs the PATCH `{ duration: 45 }`. */
async function whileClosing(
  task: (scene: { origin: string; id: string; running: RawSocket; finish: () => Promise<void> }) => Promise<void>,
  prepare: (origin: string) => Promise<void> = async () => {},
): Promise<void> {
  const { app, origin } = await openAnotherServer(world);
  const { id } = await world.agent(companyId);
  await whileAgentLocked(world, id, (release) =>
    RawSocket.use(origin, async (running) => {
      running.write(patch(id, { duration: 45 }));
      await untilWaiting(world);
      await prepare(origin);
      const closed = app.close();
      await task({
        origin,
        id,
        running,
        async finish() {
          await untilRead(app);
          await release();
          await closed;
        },
      });
    }),
  );
}

test('a shutdown waits for the running request, which is answered 200 with Connection: close', () =>
  whileClosing(async ({ running, id, finish }) => {
    await finish();
    const answers = await running.untilClosed();
    expect(answers).toMatchObject([{ status: 200, body: { id, duration: 45 }, headers: { connection: 'close' } }]);
    expect(running.ending).toBe('closed');
  }));

test('a shutdown closes connections without a running request at once, while another request is still running', async () => {
  const { app, origin } = await openAnotherServer(world);
  const { id } = await world.agent(companyId);
  await whileAgentLocked(world, id, (release) =>
    RawSocket.use(origin, (running) =>
      RawSocket.use(origin, (silent) =>
        RawSocket.use(origin, (idle) =>
          RawSocket.use(origin, async (half) => {
            running.write(patch(id, { duration: 45 }));
            idle.write(get('/health/live'));
            await idle.answer();
            half.write('PATCH /agents');
            await untilWaiting(world);
            const closed = app.close();
            for (const socket of [silent, idle, half]) await socket.untilClosed();
            expect(running.ending).toBe('open');
            await release();
            await closed;
            expect(await running.answer()).toMatchObject({ status: 200 });
          }),
        ),
      ),
    ),
  );
});

const codeOf = (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error);

test('a shutdown refuses new connections while a request is still running', () =>
  whileClosing(async ({ origin, running, finish }) => {
    const attempt = () => send(origin, { method: 'GET', path: '/health/live' }).then(({ status }) => status, codeOf);
    // A connection that arrives with the signal is still served, and one right behind it may be reset.
    await vi.waitUntil(async () => (await attempt()) === 'ECONNREFUSED', 60_000);
    expect(running.answers).toEqual([]);
    expect(await attempt()).toBe('ECONNREFUSED');
    await finish();
  }));

test('during a shutdown an open connection gets health/ready 503 and health/live 200, after the answer to its running request', () =>
  whileClosing(async ({ running, finish }) => {
    running.write(`${get('/health/ready')}${get('/health/live')}`);
    // Both requests are pipelined behind the running one, whose answer must not close the connection.
    await finish();
    const [own, ready, live, ...more] = await running.untilClosed();
    expect(own).toMatchObject({ status: 200, body: { duration: 45 } });
    if (!ready) throw new Error('no answer');
    expectProblem(ready, { code: 'DATABASE_UNAVAILABLE', instance: '/health/ready' });
    expect(live).toMatchObject({ status: 200, headers: { connection: 'close' } });
    expect(more).toEqual([]);
  }));

test('a request whose body is still arriving at a shutdown is read and answered 200', async () => {
  const { app, origin } = await openAnotherServer(world);
  const { id } = await world.agent(companyId);
  await RawSocket.use(origin, async (socket) => {
    socket.write(patchHead(id, 15).replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'));
    expect(await socket.answer()).toMatchObject({ status: 100 });
    const closed = app.close();
    await untilRead(app);
    socket.write('{"duration":45}');
    await closed;
    const [, answer] = await socket.untilClosed();
    expect(answer).toMatchObject({ status: 200, body: { duration: 45 }, headers: { connection: 'close' } });
  });
});

test('a shutdown waits until slow clients have received their answers', async () => {
  const { app, origin } = await openAnotherServer(world);
  const { hostname, port } = new URL(origin);
  const path = '/docs/static/swagger-ui-bundle.js';
  const { text } = await send(origin, { method: 'GET', path });
  const served = once(app.server, 'connection');
  // Without a `data` listener the client reads only one buffer.
  const client = connect({ host: hostname, port: Number(port) });
  onTestFinished(() => void client.destroy());
  client.write(get(path).repeat(8));
  const [socket] = await served;
  await vi.waitUntil(() => unsentBytes(socket) > 0, { timeout: 60_000, interval: 20 });
  const closed = app.close();
  await untilRead(app);
  let length = 0;
  for await (const chunk of client) length += chunk.length;
  expect(length).toBeGreaterThan(8 * text.length);
  await closed;
});

test('a stop does not wait for the rest of a body behind an answer of before', async () => {
  const { app, origin } = await openAnotherServer(world);
  const arrived = once(app.server, 'connection');
  await RawSocket.use(origin, async (socket) => {
    socket.write(head('POST /unknown HTTP/1.1', 'Host: api', 'Content-Length: 5'));
    expect(await socket.answer()).toMatchObject({ status: 404 });
    const [connection] = await arrived;
    const isClosed = once(connection, 'close').then(() => true);
    const closed = app.close();
    // Behind its last answer the server would wait for 10 s. Timers of one process end in their order, on a busy machine too.
    expect(await Promise.race([isClosed, delay(5_000, false)])).toBe(true);
    await closed;
  });
});

import { Agent } from 'node:http';
import { beforeAll, expect, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { send } from '../support/http.ts';
import { build, refusedStart, repeatedIfTooSlow, startProcess, startServer } from '../support/process.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { repeatedIfLate } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const database = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret };

beforeAll(build);

test('the commands of docs/metrics.md start a server with metrics and read them', async () => {
  const [start = '', read = '', ...more] = commandsIn('docs/metrics.md');
  expect(more).toEqual([]);
  const port = String(await freePort());
  const shell = (commands: string) =>
    startProcess(['bash', '-euc', filled(commands, { 9464: port })], { env: { ...database, PORT: '0' } });
  await repeatedIfTooSlow(() => shell(start).until(/^(Listening on) /m));
  const reading = async () => {
    const reader = shell(read);
    return { ...(await reader.exit), stdout: reader.stdout };
  };
  // On a slow machine, the database may not answer in time at the first one.
  const isUp = expect.stringMatching(/^interview_agents_database_up 1$/m);
  await expect.poll(reading).toEqual({ code: 0, signal: null, stdout: isUp });
});

test('METRICS_PORT serves /metrics and nothing else, and does not prevent the shutdown', async () => {
  const port = await freePort();
  const { server, origin } = await startServer({ ...database, METRICS_PORT: String(port) });
  const metrics = `http://127.0.0.1:${port}`;
  await send(origin, { method: 'GET', path: '/health/live' });
  const answer = await send(metrics, { method: 'GET', path: '/metrics' });
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(answer.text).toContain(
    'interview_agents_request_seconds_count{method="GET",route="/health/live",status="200",code="none"} 1',
  );
  expect(answer.text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
  expect((await send(metrics, { method: 'GET', path: '/agents' })).status).toBe(404);
  expect((await send(metrics, { method: 'POST', path: '/metrics' })).status).toBe(404);
  expect((await send(origin, { method: 'GET', path: '/metrics' })).status).toBe(404);
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
});

test('a connection to METRICS_PORT has one answer, none if it pipelines, and at most 32 are open, read or not', async () => {
  const port = await freePort();
  const { origin } = await startServer({ ...database, METRICS_PORT: String(port) });
  const metrics = `http://127.0.0.1:${port}`;
  // As Prometheus does: a client that keeps its connections, and opens another one where the server closes them.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const memory = async () => {
    const { status, text } = await send(metrics, { method: 'GET', path: '/metrics', agent });
    expect(status).toBe(200);
    return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
  };
  const before = await memory();
  const { id: companyId, key } = await world.company();
  const { id } = await world.agent(companyId);
  const pipelined = 'GET /metrics HTTP/1.1\r\nHost: metrics\r\n\r\n'.repeat(3_000);
  await RawSocket.useMany(metrics, 4, async (sockets) => {
    for (const socket of sockets) {
      socket.stopReading();
      socket.write(pipelined);
    }
    expect(await send(origin, { method: 'GET', path: '/health/live' })).toMatchObject({ status: 200 });
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const patch = () => send(origin, { path: `/agents/${id}`, headers, body: '{"duration":31}' });
    const patched = await repeatedIfLate(patch);
    expect(patched).toMatchObject({ status: 200, body: { duration: 31 } });
    expect((await memory()) - before).toBeLessThan(100_000_000);
  });
  const pipelinedAs1_0 = 'GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'.repeat(100);
  for (const bytes of [pipelined, pipelinedAs1_0]) {
    await RawSocket.use(metrics, async (socket) => {
      socket.write(bytes);
      await expect.poll(() => socket.ending).not.toBe('open');
      expect(socket.received).toBe('');
    });
  }
  await RawSocket.useMany(metrics, 40, async (sockets) => {
    await expect.poll(() => [sockets.at(0)?.ending, sockets.at(-1)?.ending]).toEqual(['open', 'closed']);
  });
  await expect.poll(memory).toBeGreaterThan(0);
});

test('a METRICS_PORT in use is reported in one line, with exit code 1', async () => {
  const { port } = new URL(world.origin);
  const { code, stderr } = await refusedStart({ ...database, PORT: '0', METRICS_PORT: port });
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `METRICS_PORT ${port} on 127.0.0.1 is taken by another program: stop that, or set another METRICS_PORT\n`,
  });
});

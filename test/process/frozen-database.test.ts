import { beforeAll, expect, test, vi } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { openLink } from '../support/database-link.ts';
import { freezePostgres } from '../support/frozen-postgres.ts';
import { send } from '../support/http.ts';
import { build, embeddedUrl, makeDataDir, postgresPid, runProgram, startServer } from '../support/process.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

beforeAll(build);
const world = await openWorld();

test('while PostgreSQL is frozen, /health/live answers before a change that was sent earlier and /health/ready is 503; afterwards both recover', async () => {
  const DATA_DIR = await makeDataDir();
  const { origin } = await startServer({ DATA_DIR });
  const { id: company } = await adminWith({ DATA_DIR }, 'company', 'create', '--name', 'Acme');
  const { key } = await adminWith({ DATA_DIR }, 'key', 'create', '--company', company);
  const { id } = await adminWith({ DATA_DIR }, 'agent', 'create', '--company', company, '--name', 'Interviewer');
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const change = () => send(origin, { path: `/agents/${id}`, headers, body: '{"duration":45}' });
  const health = (name: string) => send(origin, { method: 'GET', path: `/health/${name}` });
  const isUp = async () => (await change()).status === 200 && (await health('ready')).status === 200;
  // On a slow machine, the first ones may be answered 503.
  await vi.waitUntil(isUp, { timeout: 60_000, interval: 20 });

  const thaw = await freezePostgres(Number(await postgresPid(DATA_DIR)), await embeddedUrl(DATA_DIR));
  try {
    const order: string[] = [];
    const changing = change().finally(() => order.push('changed'));
    expect(await health('live')).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(order).toEqual([]);
    for (const answer of [await changing, await health('ready')]) {
      expect(answer).toMatchObject({ status: 503, body: { code: 'DATABASE_UNAVAILABLE' } });
      expect(answer.headers['retry-after']).toBe('1');
    }
    expect(await health('live')).toMatchObject({ status: 200 });
  } finally {
    thaw();
  }
  await vi.waitUntil(isUp, { timeout: 60_000, interval: 20 });
});

test('at SIGTERM while PostgreSQL does not answer the request of a client that is gone the exit code is 0', async () => {
  const { key } = await world.company();
  const link = await openLink(world.databaseUrl);
  const settings = { DATABASE_URL: link.url, API_KEY_SECRET: world.secret, WEBHOOKS: 'false' };
  const { server, origin } = await startServer(settings);
  const [before, statement] = [link.asked().length, 'FROM api_key'];
  link.freezeBehind(statement);
  await RawSocket.use(origin, async (socket) => {
    socket.write(head('GET /agents HTTP/1.1', 'Host: api', `Authorization: Bearer ${key}`));
    await vi.waitUntil(() => link.asked().includes(statement, before), { timeout: 60_000, interval: 5 });
  });
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
});

test.each([
  ['_prisma_migrations', 'try again once it answers'],
  ['pg_backend_pid', 'try again once it answers'],
  ['secret_fingerprint', 'check what was done before you try again'],
])(
  'a start whose statement about %s gets no answer ends with one line without the text of a library',
  async (name, advice) => {
    const link = await openLink(world.databaseUrl);
    link.freezeBehind(name);
    const env = { DATABASE_URL: link.url, API_KEY_SECRET: world.secret, PORT: '0' };
    const line = `the database did not answer in time: ${advice}\n`;
    expect(await runProgram(['dist/server.js'], { env })).toEqual({ code: 1, stdout: '', stderr: line });
  },
);

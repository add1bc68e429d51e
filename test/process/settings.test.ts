import { beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { openLink } from '../support/database-link.ts';
import { send } from '../support/http.ts';
import { whileLocked } from '../support/locks.ts';
import { build, startServer } from '../support/process.ts';
import { lateWebhooks, unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

beforeAll(build);

test('DOCS=false removes the page, and LOG_LEVEL=warn the log lines of requests', () =>
  unlessTooSlow(async ({ provedBy, atEnd }) => {
    const database = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret };
    const { server, origin } = await startServer({ ...database, DOCS: 'false', LOG_LEVEL: 'warn' }, { atEnd });
    provedBy(() => server.stdout.includes(lateWebhooks));
    expect((await send(origin, { method: 'GET', path: '/docs' })).status).toBe(404);
    expect((await send(origin, { method: 'GET', path: '/openapi.json' })).status).toBe(200);
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.stdout).toBe(`Listening on ${origin}\n`);
  }));

test('DATABASE_POOL limits the connections, and further statements wait for one', async () => {
  const { id: companyId } = await world.company();
  const { id } = await world.agent(companyId);
  // Two requests of this kind of one key run at once.
  const keys = await Promise.all([1, 2, 3].map(() => world.newKey(companyId)));
  const metricsPort = await freePort();
  const { origin } = await startServer({
    DATABASE_URL: world.databaseUrl,
    API_KEY_SECRET: world.secret,
    DATABASE_POOL: '2',
    METRICS_PORT: String(metricsPort),
  });
  /** The number of connections in each state, and of calls that wait for one. */
  const connections = async () => {
    const { text } = await send(`http://127.0.0.1:${metricsPort}`, { method: 'GET', path: '/metrics' });
    const count = (state: string) =>
      Number(new RegExp(`^interview_agents_database_connections{state="${state}"} (\\d+)$`, 'm').exec(text)?.[1]);
    return { busy: count('busy'), idle: count('idle'), waiting: count('waiting') };
  };
  const read = (at: number) =>
    send(origin, {
      method: 'GET',
      path: `/agents/${id}/versions`,
      headers: { authorization: `Bearer ${keys[at]?.key}` },
    });
  // A request that waits longer than its deadline is 503, on a slow machine, and is sent again.
  const readToTheEnd = async (at: number): Promise<void> => {
    const { status } = await read(at);
    if (status === 200) return;
    expect(status).toBe(503);
    await readToTheEnd(at);
  };
  // The first use of each key is written in the background, on another connection.
  for (const at of keys.keys()) await readToTheEnd(at);
  await whileLocked(world, 'LOCK TABLE agent_version', [], async (release) => {
    const untilOneWaits = vi.waitUntil(
      async () => {
        const { busy, idle, waiting } = await connections();
        expect(busy + idle).toBeLessThanOrEqual(2);
        return busy === 2 && waiting > 0;
      },
      { timeout: 60_000, interval: 10 },
    );
    await Promise.all([untilOneWaits.then(() => release()), ...[...keys.keys()].map(readToTheEnd)]);
  });
});

test.for([
  ['true', true],
  ['false', false],
] as const)('with DATABASE_PREPARED_STATEMENTS=%s statements have names: %s', ([setting, areNamed]) =>
  unlessTooSlow(async ({ timed, atEnd }) => {
    const { id: companyId, key } = await world.company();
    const { id } = await world.agent(companyId);
    const link = await openLink(world.databaseUrl);
    const { origin } = await startServer(
      {
        DATABASE_URL: link.url,
        API_KEY_SECRET: world.secret,
        DATABASE_PREPARED_STATEMENTS: setting,
      },
      { atEnd },
    );
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const patch = { method: 'PATCH', path: `/agents/${id}`, headers, body: '{"duration":31}' };
    expect(await timed(send(origin, patch))).toMatchObject({ status: 200, body: { duration: 31 } });
    // A Parse message of PostgreSQL's protocol: the length, the name up to a zero byte, the statement.
    const lookup = /P[\s\S]{4}(s_[0-9a-f]{32})?\0[^\0]*json_build_object\('key', f\.key/.exec(link.asked());
    expect(lookup).not.toBeNull();
    expect(lookup?.[1] !== undefined).toBe(areNamed);
  }),
);

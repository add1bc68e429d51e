import { chown, readFile } from 'node:fs/promises';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { freePort, startProgram } from '../../deploy/replicas/programs.ts';
import { callsOf } from '../support/calls.ts';
import { startComposition } from '../support/composition.ts';
import { connect } from '../support/connection.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { send } from '../support/http.ts';
import { expectCreated } from '../support/new-agent.ts';
import { runOperator } from '../support/operator.ts';
import { expectChange, expectNoChange, newSubject } from '../support/patch-agent.ts';
import { build, makeFolder, refusedStart, runProgram, startServer } from '../support/process.ts';
import { agentAtTwo, everythingOf, expectReplay, newKey, retriables, sendKeyed } from '../support/retry.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

build();
const world = await openWorld();
const composition = await startComposition(world, { atEnd: afterAll });

/** The statistics that PgBouncer shows. */
async function show(what: string) {
  const url = Object.assign(new URL(world.databaseUrl), { host: composition.pgbouncer, pathname: '/pgbouncer' });
  const client = await connect(url.href);
  try {
    return (await client.query(`SHOW ${what}`)).rows;
  } finally {
    await client.end();
  }
}

test('both servers reach the database only through PgBouncer 1.18 in transaction mode', async () => {
  expect(await show('VERSION')).toEqual([{ version: 'PgBouncer 1.18.0' }]);
  const database = new URL(world.databaseUrl).pathname.slice(1);
  const { key, id } = await newSubject(world);
  for (let count = 1; count <= 10; count += 1) await composition.world.patch(key, id, { duration: count });
  const [pool] = (await show('POOLS')).filter((row) => row.database === database);
  expect(pool).toMatchObject({ pool_mode: 'transaction' });
  const sessions = `SELECT DISTINCT client_port FROM pg_stat_activity
                     WHERE datname = current_database() AND usename = $1 AND application_name = 'interview-agents-api'`;
  // The world's own server has no connection, because it got no request.
  const { rows } = await world.sql.query(sessions, [new URL(world.databaseUrl).username]);
  expect(rows).not.toEqual([]);
  // More may have been opened since.
  const ports = (await show('SERVERS')).filter((row) => row.database === database).map((row) => row.local_port);
  expect(ports).toEqual(expect.arrayContaining(rows.map((row) => row.client_port)));
});

test('through PgBouncer a PATCH has the same answer, row and history', async () => {
  const subject = await newSubject(world);
  await expectChange(
    composition.world,
    subject,
    { name: 'Changed', metadata: { a: { b: [1] } } },
    {
      name: 'Changed',
      metadata: { a: { b: [1] } },
    },
  );
  await expectNoChange(composition.world, subject, { name: 'Changed' });
  const { id, key, keyId } = await world.company();
  await expectCreated(
    composition.world,
    { id, key, keyId },
    {
      ...{ name: 'New', type: 'ONLINE', focus: 'SCREENING', language: 'FI', duration: 20 },
    },
  );
});

describe('through PgBouncer a repeated request with its Idempotency-Key gets the same answer from either server', () => {
  test.each(Object.entries(retriables))('%s', async (_, make) => {
    const agent = await agentAtTwo(world);
    const request = make(agent, await world.phoneNumber(agent.companyId));
    const idempotencyKey = newKey();
    const sendTo = (origin = '') => sendKeyed({ ...world, ...callsOf(origin) }, agent, request, idempotencyKey);
    const [one, other] = composition.servers;
    const first = await sendTo(one);
    expect([200, 201]).toContain(first.status);
    const before = await everythingOf(world, agent.companyId);
    for (const origin of [other, one]) expectReplay(await sendTo(origin), first);
    expect(await everythingOf(world, agent.companyId)).toEqual(before);
  });
});

test('through PgBouncer creation, list, changes, versions, restore and deletion work as without it', async () => {
  const company = await world.company();
  await world.phoneNumber(company.id);
  const ats = await world.ats(company.id);
  const program = ['--import', 'tsx', 'examples/a-day-with-the-api.ts'];
  const day = await runProgram(program, { env: { API_URL: composition.origin, API_KEY: ats.key } });
  expect(day).toMatchObject({ code: 0, stderr: '' });
  expect(day.stdout).toMatch(/^taken back, now version "3"\ndeleted: 204, and then 404\n$/m);
});

test('many concurrent changes of few agents, on the connections that both servers share, lose nothing', () =>
  unlessTooSlow(async ({ timed }) => {
    const { id: companyId, key } = await world.company();
    const ids = (await Promise.all([1, 2, 3].map(() => world.agent(companyId)))).map(({ id }) => id);
    const clients = Array.from({ length: 30 }, async (_, at) => {
      for (const id of ids) {
        const change = composition.world.patch(key, id, { metadata: { [`client${at}`]: at } });
        expect((await timed(change)).status).toBe(200);
      }
    });
    await Promise.all(clients);
    for (const id of ids) {
      const { version, metadata } = JSON.parse(await world.row(id));
      expect(version).toBe(31);
      expect(metadata).toEqual(Object.fromEntries(clients.map((_, at) => [`client${at}`, at])));
    }
  }));

test('while the pools of both servers are busy, their metrics reach the database through PgBouncer', async () => {
  const url = Object.assign(new URL(world.databaseUrl), { host: composition.pgbouncer }).href;
  // As many as two servers with DATABASE_POOL=10 have.
  for (let count = 0; count < 20; count += 1) {
    const client = await connect(url);
    onTestFinished(() => client.end());
    await client.query('BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0');
  }
  const isUp = async (metrics: string) => {
    const { text } = await send(metrics, { method: 'GET', path: '/metrics' });
    return /^interview_agents_database_up 1$/m.test(text);
  };
  for (const metrics of composition.metrics) await vi.waitUntil(() => isUp(metrics), { timeout: 60_000, interval: 20 });
});

const unknownNames =
  'DATABASE_URL leads to a pooler that does not know named statements: set DATABASE_PREPARED_STATEMENTS=false, or name ' +
  'PostgreSQL itself';

test('a command that uses named statements behind this PgBouncer ends with the setting, at the latest once all sessions have the names', async () => {
  const DATABASE_URL = Object.assign(new URL(world.databaseUrl), { host: composition.pgbouncer }).href;
  const { id } = await world.company();
  const list = (env = {}) => runOperator({ DATABASE_URL, ...env }, ['agent', 'list', '--company', id]);
  let outcome = await list();
  while (outcome.code === 0) outcome = await list();
  expect(outcome).toEqual({ code: 1, stdout: '', stderr: `error: ${unknownNames}\n` });
  expect(await list({ DATABASE_PREPARED_STATEMENTS: 'false' })).toEqual({ code: 0, stdout: '[]\n', stderr: '' });
});

test('a server that would use named statements behind this PgBouncer does not start, and names the setting', async () => {
  const DATABASE_URL = Object.assign(new URL(world.databaseUrl), { host: composition.pgbouncer }).href;
  const env = { DATABASE_URL, API_KEY_SECRET: world.secret, PORT: '0' };
  // Once with the first connection of the pool, and once more with the named statement left on it.
  for (let time = 0; time < 2; time += 1) {
    expect(await refusedStart(env)).toEqual({
      code: 1,
      stdout: '',
      stderr: `${unknownNames}\n`,
    });
  }
  const { server, origin } = await startServer({ ...env, DATABASE_PREPARED_STATEMENTS: 'false' });
  expect(await callsOf(origin).send({ method: 'GET', path: '/health/ready' })).toMatchObject({ status: 200 });
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
});

test('its sessions are made anew by who runs PgBouncer, with the command of docs/replicas.md, and not by the servers’ role', async () => {
  const FOLDER = await makeFolder();
  const LISTEN_PORT = String(await freePort());
  const ids = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;
  if (ids) await chown(FOLDER, ids.uid, ids.gid);
  const [ROLE, PASSWORD] = ['agents_server', 'secret'];
  const place = { POSTGRES_HOST: '127.0.0.1', POSTGRES_PORT: '1', DATABASE: 'none', LISTEN_ADDRESS: '127.0.0.1' };
  const PATH = `${process.env['PATH']}:/usr/sbin`;
  const script = await readFile('deploy/replicas/pgbouncer.sh', 'utf8');
  const pgbouncer = startProgram(['sh', '-c', script], {
    ...{ env: { ...place, PATH, ROLE, PASSWORD, LISTEN_PORT, FOLDER }, ids, ready: /process up/ },
  });
  onTestFinished(async () => {
    pgbouncer.signal('SIGTERM');
    await pgbouncer.exit;
  });
  await pgbouncer.isReady;
  const [, line = ''] =
    /^docker compose exec pgbouncer (psql .*)$/m.exec(commandsIn('docs/replicas.md').join('\n')) ?? [];
  const command = filled(line, { '--host=/tmp': `--host=${FOLDER}`, '--port=6432': `--port=${LISTEN_PORT}` });
  // In the checkout, which that user may not enter, psql would warn of that.
  const reconnected = startProgram(command.split(' '), { env: { PATH }, ids, cwd: FOLDER, ready: /^RECONNECT\n$/ });
  await reconnected.isReady;
  expect(await reconnected.exit).toBe('ended with 0');
  const client = await connect(`postgresql://${ROLE}:${PASSWORD}@127.0.0.1:${LISTEN_PORT}/pgbouncer`);
  onTestFinished(() => client.end());
  await expect(client.query('RECONNECT')).rejects.toThrow('admin access needed');
});

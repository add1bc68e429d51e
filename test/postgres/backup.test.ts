import { randomUUID } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type pg from 'pg';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { openPlace, shell } from '../support/backup-page.ts';
import { connect, run } from '../support/connection.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { type Sent, send } from '../support/http.ts';
import { startLoad } from '../support/load.ts';
import { build, makeFolder, runProgram, startProcess, startServer } from '../support/process.ts';
import { unlessTooSlow } from '../support/too-slow.ts';

const [dump = ''] = commandsIn('docs/backup.md', 'Dump');
const [restore = '', settle = ''] = commandsIn('docs/backup.md', 'Restore');
const [check = '', start = '', use = '', since = '', rename = ''] = commandsIn('docs/backup.md', 'Check');

beforeAll(build);

test('a dump taken under load and restored elsewhere is consistent as of its start, and the keys in it are valid', () =>
  unlessTooSlow(async (attempt) => {
    const [old, fresh] = [await openPlace(), await openPlace()];
    const secret = randomUUID().repeat(2);
    await run(old.admin, 'CREATE DATABASE interview_agents OWNER agents_owner');
    await shell(settle, { NEW_OWNER_URL: old.owner, NEW_SERVER_URL: old.server });
    const variables = {
      OWNER_URL: old.owner,
      HOME: await makeFolder(),
      ADMIN_URL: fresh.admin,
      NEW_OWNER_URL: fresh.restored.owner,
      NEW_SERVER_URL: fresh.restored.server,
    };
    const limits = { RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0' };
    const { origin } = await startServer({ DATABASE_URL: old.server, API_KEY_SECRET: secret, ...limits }, attempt);
    const made = await makeData(origin, { DATABASE_URL: old.owner, API_KEY_SECRET: secret });
    const [source, holder] = [await open(old.owner), await open(old.owner)];

    const [began] = await run(old.owner, 'SELECT clock_timestamp()::text AS now');
    const load = startLoad({ origin, ...made }, attempt);
    await load.more(20);
    const reached = new Map(load.acknowledged);
    // No request reads this table, but a dump does: once it waits for the lock, it has begun.
    await holder.query(
      'SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE integration IN ACCESS EXCLUSIVE MODE',
    );
    const dumped = shell(`${dump}echo "$DUMP"`, variables);
    await vi.waitUntil(async () => (await source.query(waitingDump)).rowCount === 1, { timeout: 60_000, interval: 20 });
    const passed = new Map(load.acknowledged);
    await load.more(50);
    await holder.query('COMMIT');
    const page = { ...variables, DUMP: (await dumped).trim() };
    await load.more(20);
    await load.stop();
    expect(load.failures).toEqual([]);

    await shell(restore, page);
    expect(await shell(settle, page)).toMatch(/^nothing to apply: .*\n(.|\n)*^nothing to apply: /m);
    expect(await shell(check, page)).toBe('');
    const restored = await open(fresh.restored.owner);
    for (const table of quietTables) expect(await rowsOf(restored, table)).toEqual(await rowsOf(source, table));
    for (const id of made.agents) {
      const { rows } = await restored.query<{ version: number }>('SELECT version FROM agent WHERE id = $1', [id]);
      const version = rows[0]?.version ?? 0;
      expect(version).toBeGreaterThanOrEqual(reached.get(id) ?? 0);
      // One more change may have been committed without an answer.
      expect(version).toBeLessThanOrEqual((passed.get(id) ?? 0) + 1);
      const history = `agent_version t WHERE agent_id = '${id}' AND version <= ${version}`;
      expect(await rowsOf(restored, history)).toEqual(await rowsOf(source, history));
    }
    await expect(run(fresh.restored.server, 'DELETE FROM company')).rejects.toThrow('permission denied');

    const server = startProcess(['sh', '-euc', filled(start, { 'PORT=3001': 'PORT=0' })], {
      env: { ...page, API_KEY_SECRET: secret },
    });
    const ORIGIN = await server.until(/^Listening on (http:\S+)$/m);
    const [AGENT = ''] = made.agents;
    const answers = await shell(
      filled(use, { 'sk_…': made.key, 'AGENT=…': `AGENT=${AGENT}`, 'http://127.0.0.1:3001': ORIGIN }),
      {},
    );
    expect(answers).toMatch(/^\{"status":"ok"\}\{"data":\[\{.*\],"pagination":\{.*\}\}\{"id":".*"duration":45,.*\}$/);
    expect(await send(ORIGIN, made.gone)).toMatchObject({ status: 404 });
    const again = await send(ORIGIN, made.created.sent);
    expect(again).toMatchObject({ status: 201, text: made.created.text, headers: { 'idempotent-replayed': 'true' } });
    const change = asJson(made.key, 'PATCH', `/agents/${AGENT}`, {
      name: 'After the restore',
      metadata: { count: null },
    });
    expect(await send(ORIGIN, change)).toMatchObject({
      status: 200,
      body: { name: 'After the restore', metadata: {} },
    });
    expect(await shell(check, page)).toBe('');
    const other = { DATABASE_URL: fresh.restored.server, API_KEY_SECRET: randomUUID().repeat(2), PORT: '0' };
    expect(await runProgram(['dist/server.js'], { env: other })).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^the API keys in this database are stored under another secret [^\n]+\n$/),
    });

    const [changed = '', headless = '', gap = ''] = made.agents;
    await restored.query('UPDATE agent SET duration = duration + 1 WHERE id = $1', [changed]);
    await restored.query(
      'DELETE FROM agent_version v USING agent a WHERE a.id = $1 AND v.agent_id = a.id AND v.version = a.version',
      [headless],
    );
    await restored.query('DELETE FROM agent_version WHERE agent_id = $1 AND version = 2', [gap]);
    expect((await shell(check, page)).trim().split('\n')).toEqual([changed, headless, gap].toSorted());

    const [key] = await run(old.owner, 'SELECT id, company_id AS company FROM api_key');
    await adminWith({ DATABASE_URL: old.owner }, 'key', 'revoke', '--key', key?.['id']);
    const trail = await shell(filled(since, { '…': `'${began?.['now']}'` }), page);
    expect(trail.replace(/^[^|]*/, '')).toBe(`|key.revoked|${key?.['company']}||${key?.['id']}|||{}\n`);
  }));

test.each([
  ['cannot begin', '', ''],
  ['breaks off', 'pg_dump() { echo half > "$(echo "$2" | cut -c8-)"; false; }', 'half\n'],
])('a dump that %s fails, and the dumps before it stay as they are', async (_, pgDump, cut) => {
  const HOME = await makeFolder();
  const DUMP = join(HOME, 'interview_agents-20260101T000000Z.dump');
  await writeFile(DUMP, 'good');
  const variables = { HOME, DUMP, OWNER_URL: 'postgresql://agents_owner@127.0.0.1:1/interview_agents' };
  await expect(shell(`${pgDump}\n${dump}`, variables)).rejects.toThrow();
  const names = (await readdir(HOME)).toSorted();
  expect(names).toEqual([basename(DUMP), expect.stringMatching(/^interview_agents-\d{8}T\d{6}Z\.dump\.new$/)]);
  expect(await Promise.all(names.map((name) => readFile(join(HOME, name), 'utf8')))).toEqual(['good', cut]);
});

test('where a restore cannot make its database, nothing is restored, and after a renaming that failed DATABASE_URL stays', async () => {
  const HOME = await makeFolder();
  await writeFile(join(HOME, 'interview-agents.sh'), 'OWNER_URL=renamed');
  const variables = { HOME, DUMP: 'dump', ADMIN_URL: 'admin', NEW_OWNER_URL: 'new', DATABASE_URL: 'old' };
  // As in a terminal, which goes on after a command that failed.
  const pasted = (functions: string, block: string) =>
    shell(`set +e\n${functions}\n${block}echo "$DATABASE_URL"`, variables);
  const tools = (code: number) =>
    `createdb() { return ${code}; }\npg_restore() { echo restored; }\npsql() { return ${code}; }`;
  expect([await pasted(tools(0), restore), await pasted(tools(0), rename)]).toEqual(['restored\nold\n', 'renamed\n']);
  expect([await pasted(tools(1), restore), await pasted(tools(1), rename)]).toEqual(['old\n', 'old\n']);
});

async function open(url: string): Promise<pg.Client> {
  const client = await connect(url);
  onTestFinished(() => client.end());
  return client;
}

const waitingDump = `SELECT FROM pg_stat_activity WHERE application_name = 'pg_dump' AND wait_event_type = 'Lock'`;

/** The rows that the load does not change. */
const quietTables = [
  ...['company', 'integration', 'integration_company', 'company_phone_number', 'audit_entry', 'idempotency_key'],
  '(SELECT id, company_id, integration_id, start, hash, scopes, revoked_at FROM api_key) AS',
  'agent_version t WHERE version = 1',
  'agent t WHERE deleted_at IS NOT NULL',
];

/** Every byte of the rows, in a defined order. */
async function rowsOf(client: pg.Client, table: string): Promise<string[]> {
  const from = table.includes(' t ') ? table : `${table} t`;
  const { rows } = await client.query<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM ${from} ORDER BY 1`);
  expect(rows).not.toEqual([]);
  return rows.map(({ row }) => row);
}

const asJson = (key: string, method: string, path: string, body: unknown, headers: Sent['headers'] = {}): Sent => ({
  ...{ method, path, body: JSON.stringify(body) },
  headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
});

/** Rows in every table, written by the command line and by requests, and a few agents for the load. */
async function makeData(origin: string, env: Record<string, string>) {
  const { id: company } = await adminWith(env, 'company', 'create', '--name', 'Acme');
  const { id: integration } = await adminWith(env, 'integration', 'create', '--name', 'An ATS');
  await adminWith(env, 'integration', 'grant', '--integration', integration, '--company', company);
  await adminWith(env, 'phone-number', 'add', '--company', company, '--number', '+12025550123');
  const { key } = await adminWith(env, 'key', 'create', '--company', company);
  const draft = { name: 'Ångström 面接', type: 'ONLINE', focus: 'GENERIC', language: 'JA', duration: 30 };
  const made: { id: string; sent: Sent; text: string }[] = [];
  for (let count = 0; count < 5; count += 1) {
    const sent = asJson(key, 'POST', '/agents', draft, { 'idempotency-key': randomUUID() });
    const { status, text } = await send(origin, sent);
    expect(status).toBe(201);
    made.push({ id: JSON.parse(text).id, sent, text });
  }
  const [created, ...others] = made;
  if (!created) throw new Error('nothing was made');
  const path = `/agents/${created.id}`;
  const rest = [asJson(key, 'PATCH', path, { duration: 60 }), asJson(key, 'POST', `${path}/versions/1/restore`, {})];
  const gone = { method: 'DELETE', path, headers: { authorization: `Bearer ${key}` } };
  for (const sent of [...rest, gone]) expect((await send(origin, sent)).status).toBeLessThan(300);
  return { key, created, gone, agents: others.map(({ id }) => id) };
}

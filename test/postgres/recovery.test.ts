import { randomUUID } from 'node:crypto';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { adminWith } from '../support/admin.ts';
import { run } from '../support/connection.ts';
import { openLink } from '../support/database-link.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { send } from '../support/http.ts';
import { build, runProgram, startServer } from '../support/process.ts';
import { openArchivable } from '../support/recovery.ts';

const [archive = '', base = ''] = commandsIn('docs/backup.md', 'Continuous archiving');
const [look = '', archiveRest = '', recover = '', start = ''] = commandsIn('docs/backup.md', 'Recovery to a moment');
const [check = ''] = commandsIn('docs/backup.md', 'Check');

beforeAll(build);

test('after a bad change the cluster is recovered to the moment before it, and a running server continues with the entity tags and kept answers of that state', async () => {
  const { old, ADMIN_URL, OWNER_URL, shell } = await openArchivable();
  await run(ADMIN_URL, 'CREATE DATABASE interview_agents');
  await shell(archive);
  old.stop();
  old.start();

  const env = { DATABASE_URL: OWNER_URL, API_KEY_SECRET: randomUUID().repeat(2) };
  expect(await runProgram(['dist/migrate.js'], { env })).toMatchObject({ code: 0 });
  const { id: company } = await adminWith(env, 'company', 'create', '--name', 'Acme');
  const { key } = await adminWith(env, 'key', 'create', '--company', company);
  const link = await openLink(OWNER_URL);
  const { origin } = await startServer({ ...env, DATABASE_URL: link.url });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const create = { name: 'Interviewer', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
  const post = () => send(origin, { method: 'POST', path: '/agents', headers, body: JSON.stringify(create) });
  const [id = '', other = ''] = [await post(), await post()].map(({ body }) => String(Object(body).id));
  const change = (path: string, body: object, more = {}) =>
    send(origin, { path: `/agents/${path}`, headers: { ...headers, ...more }, body: JSON.stringify(body) });
  const read = () => send(origin, { method: 'GET', path: `/agents/${id}`, headers });
  expect((await change(id, { duration: 31 })).status).toBe(200);
  await shell(base);

  const [good, bad] = [{ 'idempotency-key': randomUUID() }, { 'idempotency-key': randomUUID() }];
  const kept = await change(id, { metadata: { good: true } }, good);
  const past = await read();
  expect([kept.headers.etag, past.headers.etag, kept.text]).toEqual(['"3"', '"3"', past.text]);
  const mistake = await change(id, { name: 'A mistake', metadata: { good: null } }, bad);
  expect(mistake).toMatchObject({ status: 200, headers: { etag: '"4"' } });
  expect((await change(other, { duration: 99 })).headers.etag).toBe('"2"');

  const [newest = ''] = (await shell(filled(look, { '…': id }))).split('\n');
  expect(newest).toMatch(/^4\|.*\{name,metadata\}$/);
  const [, moment = ''] = newest.split('|');
  await shell(archiveRest);
  old.stop();
  const port = await freePort();
  const recoverTo = filled(recover, { '…': `'${moment}'` });
  await shell(recoverTo);
  const files = 'find "$RECOVERED" -type f -exec cksum {} + | sort';
  const made = await shell(files);
  await expect(shell(recoverTo)).rejects.toThrow('File exists');
  expect(await shell(files)).toBe(made);
  await shell(filled(start, { '-p 5433': `-p ${port} -h 127.0.0.1 -c unix_socket_directories=` }));
  const stop = 'pg_ctl stop --pgdata="$RECOVERED" --mode=immediate';
  onTestFinished(() => shell(stop).then(() => {}));
  const recovered = Object.assign(new URL(OWNER_URL), { port: String(port) }).href;
  const isPrimary = async () => (await run(recovered, 'SELECT pg_is_in_recovery() AS is'))[0]?.['is'] === false;
  await vi.waitUntil(isPrimary, { timeout: 60_000, interval: 20 });
  expect(await shell(check.replace('$NEW_OWNER_URL', recovered))).toBe('');

  link.leadTo(recovered);
  await vi.waitUntil(async () => (await read()).status === 200, { timeout: 60_000, interval: 20 });
  const now = await read();
  expect([now.headers.etag, now.text]).toEqual(['"3"', past.text]);
  expect((await change(other, {})).headers.etag).toBe('"1"');
  const again = await change(id, { metadata: { good: true } }, good);
  expect(again).toMatchObject({
    status: 200,
    text: kept.text,
    headers: { 'idempotent-replayed': 'true', etag: '"3"' },
  });
  expect((await change(id, { duration: 50 }, { 'if-match': '"4"' })).status).toBe(412);
  const changedAgain = await change(id, { name: 'Mended' }, { ...bad, 'if-match': '"3"' });
  expect(changedAgain).toMatchObject({
    status: 200,
    body: { name: 'Mended', metadata: { good: true } },
    headers: { etag: '"4"' },
  });
  expect(await shell(check.replace('$NEW_OWNER_URL', recovered))).toBe('');
});

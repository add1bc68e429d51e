import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { uuid } from '../support/admin.ts';
import { run } from '../support/connection.ts';
import { openCluster, postgresCommands } from '../support/debian-postgres.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { send } from '../support/http.ts';
import { build, type Started } from '../support/process.ts';
import { openCheckout, openTerminal } from '../support/terminal.ts';

const page = 'docs/operate.md';
const [settle = '', prepare = '', serve = '', first = '', ask = '', integrate = ''] = commandsIn(
  page,
  'From an empty PostgreSQL',
);
const [newSecret = '', exchange = '', needing = '', forget = ''] = commandsIn(page, 'The secret of the keys');
const [list = ''] = commandsIn(page, 'The command line');
const [find = '', revoke = ''] = commandsIn(page, 'A key that leaked');
const [exportIt = '', erase = ''] = commandsIn(page, 'Export and erase a company');
const [prune = ''] = commandsIn(page, 'Prune the history');
const [look = ''] = commandsIn(page, 'What grows');
const [place = ''] = commandsIn('docs/backup.md', 'Backup and restore');
const [dump = ''] = commandsIn('docs/backup.md', 'Dump');
const [restore = '', settleAgain = ''] = commandsIn('docs/backup.md', 'Restore');
const [check = '', serveRestored = '', use = '', since = '', replace = ''] = commandsIn('docs/backup.md', 'Check');

beforeAll(build);

test('the commands of docs/operate.md and docs/backup.md lead from an empty PostgreSQL to a rotated secret, an erased company and a restored backup', async () => {
  const password = randomUUID();
  const admin = new URL((await openCluster(password))(`postgres:${password}`, 'postgres'));
  const folder = await openCheckout();
  const PATH = `${postgresCommands()}:${process.env['PATH']}`;
  const open = (env: Readonly<Record<string, string>> = {}) => openTerminal(folder, { PATH, ...env });
  const operator = open();
  const address = `127.0.0.1:${await freePort()}`;
  const startServer = async (commands: string, at: string, terminal = open({ PORT: at.split(':')[1] ?? '' })) => {
    expect(await terminal.start(commands, /^Listening on http:\/\/(\S+)$/m)).toBe(at);
    return terminal.shell;
  };
  const restart = async (running: Started) => {
    running.signalGroup('SIGTERM');
    await running.exit;
    return await startServer(serve, address);
  };

  // As the administrator of a managed PostgreSQL, which is no superuser.
  await run(admin.href, `CREATE ROLE dba LOGIN CREATEROLE CREATEDB PASSWORD '${password}'`);
  await operator.paste(filled(settle, { 'postgres:…': `dba:${password}`, '127.0.0.1:5432': admin.host }));
  expect(await operator.paste(prepare)).toMatch(
    /applied [\s\S]*role agents_server may run the server,[\s\S]*nothing to apply/,
  );
  let server = await startServer(serve, address);
  const makeCompany = async () => {
    const created = await operator.paste(filled(first, { '127.0.0.1:3000': address }));
    expect(created).toMatch(/^\{"status":"ok"\}/);
    const { id, key } = JSON.parse(created.slice('{"status":"ok"}'.length));
    const asked = await operator.paste(filled(ask, { 'sk_…': key, '127.0.0.1:3000': address }));
    expect(JSON.parse(asked).data).toEqual([company]);
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const made = await send(`http://${address}`, { method: 'POST', path: '/agents', headers, body });
    const read = () => send(`http://${address}`, { method: 'GET', path: '/companies', headers });
    return { keyId: id, key, agent: Object(made.body).id, status: async () => (await read()).status };
  };
  const { keyId, key, agent, status } = await makeCompany();
  const [, ats] = /"key": "(sk_[^"]+)"/.exec(await operator.paste(integrate)) ?? [];
  const ofAts = { method: 'GET', path: '/companies', headers: { authorization: `Bearer ${ats}` } };
  expect(await send(`http://${address}`, ofAts)).toMatchObject({ status: 200, body: { data: [company] } });

  // The secret is changed while the client uses its key, which stays valid throughout.
  const secret = () => operator.paste('echo "$API_KEY_SECRET"');
  const old = await secret();
  for (const step of [newSecret, exchange, forget]) {
    // The last use of the client's key is written after its answer.
    if (step === forget)
      await vi.waitUntil(async () => onlyOther.test(await operator.paste(needing)), { timeout: 60_000 });
    expect(await operator.paste(step)).toBe('');
    server = await restart(server);
    expect(await status()).toBe(200);
  }
  expect((await secret()) === old).toBe(false);

  const [companies = '', ofCompany, ofKey] = (await operator.paste(list)).split(/^(?=Usage: )/m);
  expect(JSON.parse(companies)).toEqual([company]);
  expect([ofCompany, ofKey]).toEqual([expect.stringContaining('erase'), expect.stringContaining('--scopes')]);
  await writeFile(join(folder, 'leaked-key.txt'), `${key}\n`);
  expect(JSON.parse(await operator.paste(find))).toMatchObject({ id: keyId, state: 'active' });
  await operator.paste(filled(revoke, { '…': keyId }));
  expect(await status()).toBe(401);
  expect(await operator.paste(exportIt)).toBe(`{"id":"${agent}","name":"Interview","version":1}\n`);
  expect(await operator.paste('stat --format=%a ~/company.jsonl')).toBe('600\n');
  // A terminal that does not know the company: the export that was made stays.
  const exported = await readFile(join(folder, 'company.jsonl'), 'utf8');
  await expect(open().paste(exportIt)).rejects.toThrow('--company');
  expect(await readFile(join(folder, 'company.jsonl'), 'utf8')).toBe(exported);
  expect(await operator.paste(erase)).toMatch(/"agents": 1/);
  expect(await operator.paste(list)).toMatch(/^\[\]\nUsage: /);
  expect(JSON.parse(await operator.paste(prune))).toEqual({ versions: 0, agents: 0 });
  expect(await operator.paste(look)).toMatch(/n_tup_hot_upd[\s\S]*REINDEX\n$/);

  // docs/backup.md, with another company than the erased one.
  const kept = await makeCompany();
  for (const commands of [place, dump, restore]) expect(await operator.paste(commands)).toBe('');
  expect(await operator.paste('stat --format=%a "$DUMP"')).toBe('600\n');
  expect(await operator.paste(settleAgain)).toMatch(/nothing to apply: [\s\S]*nothing to apply: /);
  expect(await operator.paste(check)).toBe('');
  const another = `127.0.0.1:${await freePort()}`;
  const second = open();
  await second.paste(place);
  const copy = await startServer(
    filled(serveRestored, { 'PORT=3001': `PORT=${another.split(':')[1]}` }),
    another,
    second,
  );
  const used = await operator.paste(
    filled(use, { 'sk_…': kept.key, 'AGENT=…': `AGENT=${kept.agent}`, '127.0.0.1:3001': another }),
  );
  expect(used).toMatch(/^\{"status":"ok"\}\{"data":\[\{.*\}\{"id":".*"duration":45,.*\}$/);

  // The key was revoked after the dump, and works again in the restored database until it is revoked there.
  const revokeKept = filled(revoke, { '…': kept.keyId });
  await operator.paste(revokeKept);
  expect(await kept.status()).toBe(401);
  for (const running of [server, copy]) {
    running.signalGroup('SIGTERM');
    await running.exit;
  }
  const trail = await operator.paste(filled(since, { '…': '-infinity' }));
  expect(trail).toMatch(new RegExp(`\\|key\\.revoked\\|[^|]+\\|\\|${kept.keyId}\\|`));
  await operator.paste(replace);
  server = await startServer(serve, address);
  expect(await kept.status()).toBe(200);
  expect(JSON.parse(await operator.paste(revokeKept))).toMatchObject({ id: kept.keyId, state: 'revoked' });
  expect(await kept.status()).toBe(401);
});

const company = { id: uuid, name: 'Our company' };
const body = JSON.stringify({ name: 'Interview', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 });

/** The key of the integration only, which was used before the change. */
const onlyOther = /^[\da-f-]{36} Production, last used: \d{4}-\S+Z\n$/;

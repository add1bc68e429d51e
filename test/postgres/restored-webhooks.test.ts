import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { openPlace, shell } from '../support/backup-page.ts';
import { callsOf } from '../support/calls.ts';
import { run } from '../support/connection.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { runOperator } from '../support/operator.ts';
import { build, makeFolder, startServer } from '../support/process.ts';
import { target } from '../support/webhooks.ts';

const [dump = ''] = commandsIn('docs/backup.md', 'Dump');
const [restore = '', settle = ''] = commandsIn('docs/backup.md', 'Restore');
const [, , , since = ''] = commandsIn('docs/backup.md', 'Check');

beforeAll(build);

test('the trail names every webhook endpoint that a restore brings back as it was, or loses, and the page says what to do with it', async () => {
  const place = await openPlace();
  await run(place.admin, 'CREATE DATABASE interview_agents OWNER agents_owner');
  await shell(settle, { NEW_OWNER_URL: place.owner, NEW_SERVER_URL: place.server });
  const secret = randomUUID().repeat(2);
  const env = { DATABASE_URL: place.owner, API_KEY_SECRET: secret };
  const { origin } = await startServer({ ...env, DATABASE_URL: place.server, WEBHOOKS: 'false' });
  const { id: company } = await adminWith(env, 'company', 'create', '--name', 'Acme');
  const scopes = ['--scopes', 'read:webhooks,write:webhooks'];
  const { key } = await adminWith(env, 'key', 'create', '--company', company, ...scopes);
  const { call } = callsOf(origin);
  const made = async (): Promise<string> => Object(await call(key, 'POST /webhooks', { body: target })).body.id;
  const [rotated, deleted, moved, kept] = [await made(), await made(), await made(), await made()];

  const [began] = await run(place.owner, 'SELECT clock_timestamp()::text AS now');
  const page = {
    OWNER_URL: place.owner,
    ADMIN_URL: place.admin,
    NEW_OWNER_URL: place.restored.owner,
    NEW_SERVER_URL: place.restored.server,
    HOME: await makeFolder(),
  };
  const DUMP = (await shell(`${dump}echo "$DUMP"`, page)).trim();
  const requests: [string, object][] = [
    [`POST /webhooks/${rotated}/rotate-secret`, {}],
    [`DELETE /webhooks/${deleted}`, {}],
    [`PATCH /webhooks/${moved}`, { body: { url: 'https://hooks.example.com/other' } }],
  ];
  for (const [request, sent] of requests) expect((await call(key, request, sent)).status).toBeLessThan(300);
  const late = await made();
  const trail = await shell(filled(since, { '…': `'${began?.['now']}'` }), page);
  const named = trail
    .trim()
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .filter((_, at) => [1, 2].includes(at))
        .concat(/"webhookId": "([^"]*)"/.exec(line)?.[1] ?? ''),
    );
  expect(named).toEqual([
    ['webhook.secret-rotated', company, rotated],
    ['webhook.deleted', company, deleted],
    ['webhook.updated', company, moved],
    ['webhook.created', company, late],
  ]);

  await shell(restore, { ...page, DUMP });
  await shell(settle, page);
  const restored = { ...env, DATABASE_URL: place.restored.owner };
  for (const id of [rotated, deleted, moved]) {
    expect(await adminWith(restored, 'webhook', 'disable', '--id', id)).toMatchObject({ id, status: 'DISABLED' });
  }
  expect(await runOperator(restored, ['webhook', 'disable', '--id', late])).toMatchObject({ code: 1 });
  expect(await adminWith(restored, 'webhook', 'list', '--company', company)).toMatchObject([
    { id: rotated, ...target, status: 'DISABLED' },
    { id: deleted, ...target, status: 'DISABLED' },
    { id: moved, ...target, status: 'DISABLED' },
    { id: kept, ...target, status: 'ENABLED' },
  ]);
  const text = await readFile('docs/backup.md', 'utf8');
  for (const action of ['`webhook disable --id`', '`POST /webhooks/{id}/rotate-secret`'])
    expect(text).toContain(action);
});

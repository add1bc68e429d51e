import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { openPlace, shell } from '../support/backup-page.ts';
import { callsOf } from '../support/calls.ts';
import { run } from '../support/connection.ts';
import { commandsIn } from '../support/docs.ts';
import { build, startServer } from '../support/process.ts';
import { target } from '../support/webhooks.ts';

const [, settle = ''] = commandsIn('docs/backup.md', 'Restore');
const [, , touched = ''] = commandsIn('docs/operate.md', 'A key that leaked');

beforeAll(build);

test('after a leak of the key of an integration, the page names every webhook endpoint that it made, changed or rotated', async () => {
  const place = await openPlace();
  await run(place.admin, 'CREATE DATABASE interview_agents OWNER agents_owner');
  await shell(settle, { NEW_OWNER_URL: place.owner, NEW_SERVER_URL: place.server });
  const env = { DATABASE_URL: place.owner, API_KEY_SECRET: randomUUID().repeat(2) };
  const { origin } = await startServer({ ...env, DATABASE_URL: place.server, WEBHOOKS: 'false' });
  const { call } = callsOf(origin);
  const admin = (...words: string[]) => adminWith(env, ...words);
  const keyOf = (...owner: string[]) => admin('key', 'create', ...owner, '--scopes', 'read:webhooks,write:webhooks');

  const { id: company } = await admin('company', 'create', '--name', 'Acme');
  const { id: integration } = await admin('integration', 'create', '--name', 'ATS');
  await admin('integration', 'grant', '--integration', integration, '--company', company);
  const [own, leaked] = [await keyOf('--company', company), await keyOf('--integration', integration)];
  const made = async (key: string, query = ''): Promise<string> =>
    Object(await call(key, `POST /webhooks${query}`, { body: target })).body.id;
  const [changed, rotated, untouched] = [await made(own.key), await made(own.key), await made(own.key)];

  const ofCompany = `?companyId=${company}`;
  const [forCompany, forIntegration] = [await made(leaked.key, ofCompany), await made(leaked.key)];
  const body = { url: 'https://thief.example.com/' };
  expect((await call(leaked.key, `PATCH /webhooks/${changed}${ofCompany}`, { body })).status).toBe(200);
  expect((await call(leaked.key, `POST /webhooks/${rotated}/rotate-secret${ofCompany}`)).status).toBe(200);
  await admin('key', 'revoke', '--key', leaked.id);

  expect((await shell(touched, { ...env, KEY_ID: leaked.id })).trim().split('\n')).toEqual([
    `${rotated} webhook.secret-rotated of ${company}`,
    `${changed} webhook.updated of ${company}`,
    `${forIntegration} webhook.created of ${integration}`,
    `${forCompany} webhook.created of ${company}`,
  ]);
  for (const id of [forCompany, forIntegration, changed, rotated]) {
    expect(await admin('webhook', 'disable', '--id', id)).toMatchObject({ id, status: 'DISABLED' });
  }
  expect(await admin('webhook', 'list', '--integration', integration)).toMatchObject([{ id: forIntegration }]);
  expect(await admin('webhook', 'list', '--company', company)).toMatchObject([
    ...[changed, rotated].map((id) => ({ id, status: 'DISABLED' })),
    { id: untouched, status: 'ENABLED' },
    { id: forCompany, status: 'DISABLED' },
  ]);
  expect(await readFile('docs/operate.md', 'utf8')).toContain('For each of these run `webhook disable --id`.');
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { eraseCompany } from '../../src/companies/erase.repository.ts';
import { operatorOf } from '../support/operator.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openLimited } from '../support/time-limits.ts';
import { newWebhook, target } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const command = operatorOf(world);
const database = openLimited('patient', world.ownerUrl, 2);
afterAll(() => database.close());

const subject = await newSubject(world);
const hook = await newWebhook(world, subject.key);
const suspended = await world.newKey(subject.companyId);
await world.keys.suspend(suspended.id);
const numberId = await world.phoneNumber(subject.companyId);
const { id: integrationId } = await world.ats(subject.companyId);
const stranger = await world.ats();
const deleted = await newSubject(world);
const large = await newSubject(world);
for (const { id } of [deleted, large]) await world.deleteAgent(id);
const pruned = await newSubject(world);
await world.patch(pruned.key, pruned.id, { duration: 31 });
const erased = await newSubject(world);
await world.keys.revoke(erased.keyId);
const empty = await world.companies.createCompany('Empty');
const disabled = await newWebhook(world, subject.key);
await command(['webhook', 'disable', '--id', disabled.id]);
// Old enough to be pruned, and more versions than one transaction of a purge erases.
await world.sql.query(`
  BEGIN;
  SET LOCAL session_replication_role = replica;
  UPDATE agent_version SET created_at = now() - interval '40 days' WHERE agent_id = '${pruned.id}';
  INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator)
  SELECT '${large.id}', n, now(), '{}', '{}', 'tester' FROM generate_series(2, 5002) n;
  COMMIT`);

const company = ['--company', subject.companyId];
const integration = ['--integration', integrationId];
const key = ['--key', subject.keyId];
const commands = (...parameters: string[]) => ({ parameters });
const request = (line: string, body?: object) => ({ line, body });

/** For each action of the trail a command or a request that writes an entry of it. */
const changes: Readonly<Record<string, ReturnType<typeof commands> | ReturnType<typeof request>>> = {
  'company.created': commands('company', 'create', '--name', 'Untrailed'),
  'company.renamed': commands('company', 'rename', ...company, '--name', 'Untrailed'),
  'company.exported': commands('company', 'export', ...company),
  'company.erasing': commands('company', 'erase', '--company', erased.companyId, '--confirm', 'Test company'),
  'integration.created': commands('integration', 'create', '--name', 'Untrailed'),
  'integration.granted': commands('integration', 'grant', '--integration', stranger.id, ...company),
  'integration.revoked': commands('integration', 'revoke', ...integration, ...company),
  'key.created': commands('key', 'create', ...company),
  'key.rotated': commands('key', 'rotate', ...key),
  'key.updated': commands('key', 'update', ...key, '--name', 'Untrailed'),
  'key.suspended': commands('key', 'suspend', ...key),
  'key.resumed': commands('key', 'resume', '--key', suspended.id),
  'key.revoked': commands('key', 'revoke', ...key),
  'key.found': commands('key', 'find', '--key', subject.key),
  'phone-number.added': commands('phone-number', 'add', ...company, '--number', '+12025550199'),
  'phone-number.deactivated': commands('phone-number', 'deactivate', '--id', numberId),
  'agent.deleted': request(`DELETE /agents/${subject.id}`),
  'agent.purging': commands('agent', 'purge', '--id', large.id),
  'agent.purged': commands('agent', 'purge', '--id', deleted.id),
  'history.pruned': commands('history', 'prune', '--older-than', '30'),
  'webhook.created': request('POST /webhooks', target),
  'webhook.updated': request(`PATCH /webhooks/${hook.id}`, { description: 'Untrailed' }),
  'webhook.secret-rotated': request(`POST /webhooks/${hook.id}/rotate-secret`),
  'webhook.deleted': request(`DELETE /webhooks/${disabled.id}`),
  'webhook.disabled': commands('webhook', 'disable', '--id', hook.id),
  'webhook.enabled': commands('webhook', 'enable', '--id', disabled.id),
};

/** Their entries follow others of the same change, or are written by a server that stores a key under a new secret. */
const elsewhere = ['company.erased', 'key.rehashed'];

async function everything(): Promise<unknown[]> {
  const { rows: tables } = await world.sql.query(
    `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
  );
  // Not when a key was used, which is written beside the request.
  const all = tables.map(({ name }) =>
    world.sql.query(`SELECT (to_jsonb(t) - 'last_used_at')::text AS row FROM ${name} t ORDER BY 1`),
  );
  return (await Promise.all(all)).map(({ rows }) => rows);
}

/** Runs a task while no audit entry of an action can be written. */
async function whileUnwritable<Result>(action: string, task: () => Promise<Result>): Promise<Result> {
  await world.sql.query(`ALTER TABLE audit_entry ADD CONSTRAINT closed CHECK (action <> '${action}') NOT VALID`);
  try {
    return await task();
  } finally {
    await world.sql.query('ALTER TABLE audit_entry DROP CONSTRAINT closed');
  }
}

test('the changes below have every action of the audit trail in docs/operate.md', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operate.md'), 'utf8');
  const [, section = ''] = /^### The audit trail\n([\s\S]*?)^### /m.exec(page) ?? [];
  const rows = section.replaceAll(/; of the history .*/g, '');
  const actions = [...rows.matchAll(/`([a-z-]+\.[a-z-]+)`/g)].map(([, action]) => action);
  expect([...Object.keys(changes), ...elsewhere].toSorted()).toEqual(actions.toSorted());
});

test.for(Object.entries(changes))(
  'a change whose audit entry cannot be written is rolled back: %s',
  async ([action, change]) => {
    const before = await everything();
    await whileUnwritable(action, async () => {
      if ('line' in change) {
        expect(await world.call(subject.key, change.line, { body: change.body })).toMatchObject({ status: 500 });
      } else {
        expect(await command(change.parameters)).toMatchObject({ code: 1, stderr: expect.stringContaining('23514') });
      }
    });
    expect(await everything()).toEqual(before);
  },
);

test('an erasure whose last audit entry cannot be written leaves the company', async () => {
  const stored = () => world.sql.query('SELECT name FROM company WHERE id = $1', [empty.id]);
  await whileUnwritable('company.erased', async () => {
    await expect(eraseCompany(database, empty.id, 'Empty', 'tester')).rejects.toThrow('closed');
  });
  expect((await stored()).rows).toEqual([{ name: 'Empty' }]);
});

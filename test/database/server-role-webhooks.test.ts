import { expect, test } from 'vitest';
import { connect } from '../support/connection.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectRefused } from '../support/server-role-refusals.ts';
import { newWebhook } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const subject = await newSubject(world);
const stranger = await newSubject(world);
const ats = await world.ats(subject.companyId);
const otherAts = await world.ats(subject.companyId);
const { id } = await newWebhook(world, subject.key);

const endpoint = `'${id}'`;
const company = `'${subject.companyId}'::uuid`;
const integration = `(SELECT integration_id FROM api_key WHERE id = '${ats.keyId}')`;
const keyOf = ({ keyId }: { keyId: string }) => `'${keyId}'::uuid`;
const own = keyOf(subject);
const reason = "'All attempts have failed for five days.'";

/** An audit entry about the endpoints that a statement returns, by default as a request writes it. */
const entry = (action: string, of: string, { by = own, owner = 'company_id', details = "'{}'::jsonb" } = {}) => `
  WITH e AS (${of})
  INSERT INTO audit_entry (action, acting_key_id, company_id, integration_id, details)
  SELECT '${action}', ${by}, ${owner}, integration_id, jsonb_build_object('webhookId', id) || ${details} FROM e`;

const insert = (owner = company, ofIntegration = 'NULL') => `
  INSERT INTO webhook_endpoint (company_id, integration_id, url, events, sealed_secret, sealed_under)
  VALUES (${owner}, ${ofIntegration}, 'https://example.com/', '{*}', '', '') RETURNING *`;
const update = (set: string) => `UPDATE webhook_endpoint SET ${set} WHERE id = ${endpoint} RETURNING *`;
const unchanged = `SELECT * FROM webhook_endpoint WHERE id = ${endpoint}`;
const remove = `DELETE FROM webhook_endpoint WHERE id = ${endpoint} RETURNING *`;
const moved = update("url = 'https://example.com/other'");

/** An audit entry of the author "server". */
const disabled = (of: string) => `
  WITH e AS (${of})
  INSERT INTO audit_entry (action, operator, company_id, details)
  SELECT 'webhook.disabled', 'server', company_id, jsonb_build_object('webhookId', id, 'reason', ${reason}) FROM e`;
const disable = update(`status = 'DISABLED', disabled_reason = ${reason}`);

const [told, made, changed] = [
  'audit_entry_has_webhook',
  'webhook_endpoint_has_entry',
  'webhook_endpoint_change_has_entry',
];

/** What is refused, the statement, and the triggers that refuse it. */
const refused: readonly (readonly [title: string, sql: string, ...triggers: string[]])[] = [
  ['make an endpoint without an entry', insert(), made],
  ['change a URL without an entry', moved, changed],
  ['change the events without an entry', update("events = '{agent.deleted}'"), changed],
  ['disable an endpoint without an entry', disable, changed],
  ['delete an endpoint without an entry', remove, made],
  ['make an endpoint with the entry of a change', entry('webhook.updated', insert()), made],
  ['change a URL with the entry of a creation', entry('webhook.created', moved), changed],
  ['make an endpoint by an unknown key', entry('webhook.created', insert(), { by: 'gen_random_uuid()' }), told],
  ['make an endpoint by another company’s key', entry('webhook.created', insert(), { by: keyOf(stranger) }), told],
  ['make an integration’s endpoint by a company’s key', entry('webhook.created', insert('NULL', integration)), told],
  [
    'make an integration’s endpoint by another integration’s key',
    entry('webhook.created', insert('NULL', integration), { by: keyOf(otherAts) }),
    told,
  ],
  ['change a URL by an unknown key', entry('webhook.updated', moved, { by: 'gen_random_uuid()' }), told],
  ['delete an endpoint by another company’s key', entry('webhook.deleted', remove, { by: keyOf(stranger) }), told],
  [
    'make an endpoint with the entry of another company',
    entry('webhook.created', insert(), { by: keyOf(stranger), owner: `'${stranger.companyId}'::uuid` }),
    ...[told, made],
  ],
  ['write an entry about no endpoint', entry('webhook.updated', unchanged, { details: `'{"webhookId":null}'` }), told],
  ['write the entry of a deletion that was not', entry('webhook.deleted', unchanged), told],
  [
    'write the entry of a deletion of nothing',
    entry('webhook.deleted', unchanged, { details: `'{"webhookId":null}'` }),
    told,
  ],
  ['say that an enabled endpoint was disabled', disabled(unchanged), told],
];

const tables = ['webhook_endpoint', 'webhook_delivery', 'audit_entry'];

test.for(refused)('the server’s role cannot %s, the owner can', ([, sql, ...triggers]) =>
  expectRefused(world, tables, sql, triggers),
);

test.for([
  ['make an endpoint by a key of its company', entry('webhook.created', insert())],
  ['make one by a key of an integration', entry('webhook.created', insert(), { by: keyOf(ats) })],
  ['make one of an integration', entry('webhook.created', insert('NULL', integration), { by: keyOf(ats) })],
  ['change a URL', entry('webhook.updated', moved)],
  ['change a secret', entry('webhook.secret-rotated', update("sealed_secret = 'new'"))],
  ['encrypt an endpoint anew', update("sealed_secret = 'anew', sealed_headers = 'anew', sealed_under = 'new'")],
  ['write that deliveries fail', update('last_failure_at = now(), failing_since = now()')],
  ['disable one for its failures', disabled(disable)],
  ['delete one', entry('webhook.deleted', remove)],
])('the server’s role can %s', async ([, sql = '']) => {
  const server = await connect(world.databaseUrl);
  await server.query('BEGIN');
  const { rowCount } = await server.query(sql);
  await server.query('SET CONSTRAINTS ALL IMMEDIATE');
  await server.query('ROLLBACK');
  await server.end();
  expect(rowCount).toBe(1);
});

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

const [described, made, changed] = [
  'audit_entry_has_webhook',
  'webhook_endpoint_has_entry',
  'webhook_endpoint_change_has_entry',
];

/** What is refused, the statement, and the triggers that refuse it. */
const refused: readonly (readonly [title: string, sql: string, ...triggers: string[]])[] = [
  ['create an endpoint without an audit entry', insert(), made],
  ['change a URL without an audit entry', moved, changed],
  ['change the events without an audit entry', update("events = '{agent.deleted}'"), changed],
  ['disable an endpoint without an audit entry', disable, changed],
  ['delete an endpoint without an audit entry', remove, made],
  ['create an endpoint with the audit entry of a change', entry('webhook.updated', insert()), made],
  ['change a URL with the audit entry of a creation', entry('webhook.created', moved), changed],
  ['create an endpoint for an unknown key', entry('webhook.created', insert(), { by: 'gen_random_uuid()' }), described],
  [
    'create an endpoint for another company’s key',
    entry('webhook.created', insert(), { by: keyOf(stranger) }),
    described,
  ],
  [
    'create an integration’s endpoint for a company’s key',
    entry('webhook.created', insert('NULL', integration)),
    described,
  ],
  [
    'make an integration’s endpoint by another integration’s key',
    entry('webhook.created', insert('NULL', integration), { by: keyOf(otherAts) }),
    described,
  ],
  ['change a URL for an unknown key', entry('webhook.updated', moved, { by: 'gen_random_uuid()' }), described],
  [
    'delete an endpoint for another company’s key',
    entry('webhook.deleted', remove, { by: keyOf(stranger) }),
    described,
  ],
  [
    'make an endpoint with the entry of another company',
    entry('webhook.created', insert(), { by: keyOf(stranger), owner: `'${stranger.companyId}'::uuid` }),
    ...[described, made],
  ],
  [
    'write an audit entry about an unknown endpoint',
    entry('webhook.updated', unchanged, { details: `'{"webhookId":null}'` }),
    described,
  ],
  ['write the audit entry of a deletion that did not happen', entry('webhook.deleted', unchanged), described],
  [
    'write the entry of a deletion of nothing',
    entry('webhook.deleted', unchanged, { details: `'{"webhookId":null}'` }),
    described,
  ],
  ['write the audit entry that an enabled endpoint was disabled', disabled(unchanged), described],
];

const tables = ['webhook_endpoint', 'webhook_delivery', 'audit_entry'];

test.for(refused)('the server’s role cannot %s, the owner can', ([, sql, ...triggers]) =>
  expectRefused(world, tables, sql, triggers),
);

test.for([
  ['create an endpoint for a key of its company', entry('webhook.created', insert())],
  ['create one for a key of an integration', entry('webhook.created', insert(), { by: keyOf(ats) })],
  ['create one of an integration', entry('webhook.created', insert('NULL', integration), { by: keyOf(ats) })],
  ['change a URL', entry('webhook.updated', moved)],
  ['change a secret', entry('webhook.secret-rotated', update("sealed_secret = 'new'"))],
  ['encrypt an endpoint again', update("sealed_secret = 'anew', sealed_headers = 'anew', sealed_under = 'new'")],
  ['write that deliveries are failing', update('last_failure_at = now(), failing_since = now()')],
  ['disable one because of its failures', disabled(disable)],
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

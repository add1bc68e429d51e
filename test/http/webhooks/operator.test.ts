import { afterAll, expect, onTestFinished, test } from 'vitest';
import { eraseCompany } from '../../../src/companies/erase.repository.ts';
import { operatorWebhooks } from '../../../src/webhooks/operator.repository.ts';
import { untilWaiting } from '../../support/locks.ts';
import { openLimited } from '../../support/time-limits.ts';
import { newWebhook, trailOf, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();
const database = openLimited('patient', world.ownerUrl, 2);
afterAll(() => database.close());
const webhooks = operatorWebhooks(database.prisma, 'root');

test('operators list, disable and enable the endpoints of an owner, and each change has an audit entry', async () => {
  const { id: companyId, key } = await world.company();
  const ats = await world.ats(companyId);
  const [one, two] = [await newWebhook(world, key, { headers: { 'X-A': '1' } }), await newWebhook(world, key)];
  const ofAts = await newWebhook(world, ats.key);
  const listed = await webhooks.list({ companyId, integrationId: null });
  expect(JSON.parse(JSON.stringify(listed))).toEqual(
    [one, two].map(({ shown }) => ({ ...shown, companyId, integrationId: null })),
  );
  expect((await webhooks.list({ companyId: null, integrationId: ats.id })).map(({ id }) => id)).toEqual([ofAts.id]);
  const reason = 'The operator of the server disabled it.';
  for (const disabled of [await webhooks.disable(one.id), await webhooks.disable(one.id)]) {
    expect(disabled).toMatchObject({ id: one.id, status: 'DISABLED', disabledReason: reason });
  }
  expect(await webhookRow(world, one.id)).toMatchObject({ status: 'DISABLED', disabled_reason: reason });
  expect((await world.call(key, `GET /webhooks/${one.id}`)).body).toMatchObject({ disabledReason: reason });
  for (const enabled of [await webhooks.enable(one.id), await webhooks.enable(one.id)]) {
    expect(enabled).toMatchObject({ id: one.id, status: 'ENABLED', disabledReason: null });
  }
  const by = { operator: 'root', key: null, request: null, company: companyId, integration: null };
  expect((await trailOf(world, one.id)).slice(1)).toEqual([
    { action: 'webhook.disabled', ...by, details: { webhookId: one.id, reason } },
    { action: 'webhook.enabled', ...by, details: { webhookId: one.id } },
  ]);
  await expect(webhooks.enable(companyId)).rejects.toThrow(`there is no webhook with the id ${companyId}`);
});

test('a change by the operator has a later time than the one before it, also after the clock was set back', async () => {
  const { key } = await world.company();
  const { id } = await newWebhook(world, key);
  const later = new Date(Date.now() + 3_600_000);
  await world.sql.query('UPDATE webhook_endpoint SET updated_at = $2 WHERE id = $1', [id, later]);
  const disabled = await webhooks.disable(id);
  expect(disabled.updatedAt.getTime()).toBeGreaterThan(later.getTime());
  expect((await webhooks.enable(id)).updatedAt.getTime()).toBeGreaterThan(disabled.updatedAt.getTime());
});

test('a change by the operator has a later time than one that is committed while it runs', async () => {
  const { key } = await world.company();
  const { id } = await newWebhook(world, key);
  const later = new Date(Date.now() + 3_600_000);
  const holder = await world.sql.connect();
  onTestFinished(() => holder.release(true));
  await holder.query('BEGIN');
  await holder.query('UPDATE webhook_endpoint SET updated_at = $2 WHERE id = $1', [id, later]);
  const disabling = webhooks.disable(id);
  await untilWaiting(world);
  await holder.query('COMMIT');
  expect((await disabling).updatedAt.getTime()).toBeGreaterThan(later.getTime());
});

test('erasing a company deletes its endpoints, and the content of its agents from deliveries to integrations', async () => {
  const [erased, kept] = [await world.company(), await world.company()];
  const ats = await world.ats(erased.id, kept.id);
  const own = await newWebhook(world, erased.key);
  const ofAts = await newWebhook(world, ats.key);
  await world.agent(erased.id);
  const deleted = await world.agent(erased.id);
  await world.call(erased.key, `DELETE /agents/${deleted.id}`);
  const other = await world.agent(kept.id);
  await world.call(erased.key, `POST /webhooks/${own.id}/ping`);
  await world.keys.revoke(erased.keyId);
  const { erased: counts } = await eraseCompany(database, erased.id, 'Test company', 'root');
  expect(counts).toMatchObject({ agents: 2, deliveries: 7, webhooks: 1 });
  const { rows } = await world.sql.query(
    'SELECT endpoint_id, agent_id FROM webhook_delivery WHERE endpoint_id = ANY($1)',
    [[own.id, ofAts.id]],
  );
  expect(rows).toEqual([{ endpoint_id: ofAts.id, agent_id: other.id }]);
  expect(await webhookRow(world, own.id)).toBeUndefined();
});

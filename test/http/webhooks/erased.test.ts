import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { untilWaiting, whileLocked } from '../../support/locks.ts';
import { operatorOf } from '../../support/operator.ts';
import { expectProblem } from '../../support/problem.ts';
import { newWebhook } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** A delivery about a deleted agent, to an endpoint of a company or an integration. */
async function deletedAgent(key: string, companyId: string) {
  const { id } = await newWebhook(world, key);
  const agent = await world.agent(companyId);
  await world.deleteAgent(agent.id);
  const { rows } = await world.sql.query('SELECT id FROM webhook_delivery WHERE endpoint_id = $1', [id]);
  return { id, agentId: agent.id, path: `/webhooks/${id}/deliveries/${rows[0].id}/redeliver` };
}

const missing = (instance: string) => ({
  ...({ code: 'RESOURCE_NOT_FOUND', instance } as const),
  detail: problemTexts.deliveryMissing,
});

test('a redelivery during a purge leaves no event of the purged agent', async () => {
  const { id: companyId, key } = await world.company();
  const { id, agentId, path } = await deletedAgent(key, companyId);
  // The purge takes this lock after it has erased the deliveries.
  const answer = await whileLocked(world, 'SELECT pg_advisory_xact_lock(7214839, 4)', [], async (release) => {
    const purging = world.purgeAgent(agentId);
    await untilWaiting(world);
    const sent = world.call(key, `POST ${path}`);
    await Promise.race([sent, untilWaiting(world, 2)]);
    await release();
    await purging;
    return await sent;
  });
  expectProblem(answer, missing(path));
  const { rows } = await world.sql.query('SELECT FROM webhook_delivery WHERE endpoint_id = $1', [id]);
  expect(rows).toEqual([]);
});

test('a kept answer to a redelivery is erased with its agent, and 404 from then on', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const { agentId, path } = await deletedAgent(key, companyId);
  const redeliver = () => world.call(key, `POST ${path}`, { headers: { 'idempotency-key': 'erased' } });
  const kept = async () =>
    (await world.sql.query('SELECT agent_id, answer FROM idempotency_key WHERE api_key_id = $1', [keyId])).rows;
  const first = await redeliver();
  const again = await redeliver();
  expect([first.status, again.text]).toEqual([202, first.text]);
  expect(await kept()).toEqual([{ agent_id: agentId, answer: first.body }]);
  await world.purgeAgent(agentId);
  expect(await kept()).toEqual([{ agent_id: agentId, answer: null }]);
  expectProblem(await redeliver(), missing(path));
});

test('an ATS does not get the kept answer about a company that it no longer manages', async () => {
  const { id: companyId } = await world.company();
  const ats = await world.ats(companyId);
  const { path } = await deletedAgent(ats.key, companyId);
  const headers = { 'idempotency-key': randomUUID() };
  const redeliver = () => world.call(ats.key, `POST ${path}`, { headers });
  const first = await redeliver();
  const again = await redeliver();
  expect([first.status, again.text]).toEqual([202, first.text]);
  await world.companies.revoke(ats.id, companyId);
  expectProblem(await redeliver(), missing(path));
});

test('a purge waits for a delivery whose outcome is being written once all others are erased, and erases it afterwards', async () => {
  const { id: companyId, key } = await world.company();
  const { agentId } = await deletedAgent(key, companyId);
  const { id: otherId } = await newWebhook(world, key);
  await world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, company_id, version, body)
     VALUES ($1, 'msg_1', 'agent.updated', $2, $3, 1, '{}')`,
    [otherId, agentId, companyId],
  );
  const left = async () =>
    (await world.sql.query('SELECT endpoint_id AS id FROM webhook_delivery WHERE agent_id = $1', [agentId])).rows;
  const lock = 'SELECT FROM webhook_delivery WHERE endpoint_id = $1 AND agent_id IS NOT NULL FOR UPDATE';
  await whileLocked(world, lock, [otherId], async (release) => {
    const purging = world.purgeAgent(agentId);
    await expect.poll(left).toEqual([{ id: otherId }]);
    await untilWaiting(world);
    await release();
    await purging;
  });
  expect(await left()).toEqual([]);
  const { rows } = await world.sql.query(
    `SELECT action FROM audit_entry WHERE agent_id = $1 AND action LIKE 'agent.purg%' ORDER BY created_at`,
    [agentId],
  );
  expect(rows.at(-1)).toEqual({ action: 'agent.purged' });
  expect(rows.length).toBeLessThanOrEqual(3);
});

test('an erasure of a company waits for a delivery whose outcome is being written, and erases it afterwards', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const { id } = await deletedAgent(key, companyId);
  await world.keys.revoke(keyId);
  const { name } = (await world.sql.query('SELECT name FROM company WHERE id = $1', [companyId])).rows[0];
  const lock = 'SELECT FROM webhook_delivery WHERE endpoint_id = $1 FOR UPDATE';
  await whileLocked(world, lock, [id], async (release) => {
    const erasing = operatorOf(world)(['company', 'erase', '--company', companyId, '--confirm', name]);
    await untilWaiting(world);
    await release();
    expect(await erasing).toMatchObject({ code: 0, stderr: '' });
  });
  const { rows } = await world.sql.query(
    `SELECT details->'deliveries' AS erased FROM audit_entry WHERE company_id = $1 AND action = 'company.erased'`,
    [companyId],
  );
  expect(rows).toEqual([{ erased: 1 }]);
});

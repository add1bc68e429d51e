import { expect, onTestFinished, test } from 'vitest';
import { untilWaiting } from '../../support/locks.ts';
import { parsedBy } from '../../support/operator.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { bodiesFor, newWebhook, requestOf } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('a deletion that waited for a change is dated after it: the row, the entry of the trail and the event', async () => {
  const { id, key, keyId, companyId } = await newSubject(world);
  const webhook = await newWebhook(world, key);
  const holder = await world.sql.connect();
  onTestFinished(() => holder.release(true));
  await holder.query('BEGIN');
  await holder.query('SELECT FROM agent WHERE id = $1 FOR UPDATE', [id]);
  const deletion = world.client(key).remove(id);
  await untilWaiting(world);
  // A change that is certainly dated after the begin of the transaction that waits for it, however slow this machine is.
  await holder.query(
    `WITH c AS (UPDATE agent SET version = 2, updated_at = clock_timestamp() + interval '1 hour' WHERE id = $1 RETURNING *)
     INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, key_id)
     SELECT v.agent_id, 2, c.updated_at, v.snapshot, '{name}', $2 FROM agent_version v JOIN c ON c.id = v.agent_id`,
    [id, keyId],
  );
  await holder.query('COMMIT');
  const answer = await deletion;
  expect(answer).toMatchObject({ status: 204, text: '' });

  const { row, history } = await storedAgent(world, id);
  expect([row.version, history.length]).toEqual([2, 2]);
  const deletedAt = new Date(new Date(String(row.updated_at)).getTime() + 1).toISOString();
  expect(new Date(String(row.deleted_at)).toISOString()).toBe(deletedAt);
  expect(await parsedBy(world)('audit', 'list', '--agent', id)).toMatchObject([
    { action: 'agent.deleted', at: deletedAt },
    { action: 'agent.changed' },
    { action: 'agent.created' },
  ]);
  const data = { agentId: id, companyId, version: 2, changedFields: [], restoredFrom: null };
  expect(await bodiesFor(world, webhook.id)).toEqual([
    { type: 'agent.deleted', timestamp: deletedAt, data: { ...data, requestId: requestOf(answer), keyId } },
  ]);
});

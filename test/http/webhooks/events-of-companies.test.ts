import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { openAnotherServer } from '../../support/another-server.ts';
import { send } from '../../support/http.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { bodiesFor, inShort, newWebhook } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('a company gets the events of its own agents, an integration those of the companies that it manages at that time', async () => {
  const [one, two, foreign] = [await world.company(), await world.company(), await world.company()];
  const ats = await world.ats(one.id, two.id);
  const other = await world.ats(foreign.id);
  const hooks = {
    one: await newWebhook(world, one.key),
    'one by its ATS': await newWebhook(world, ats.key, {}, `?companyId=${one.id}`),
    ats: await newWebhook(world, ats.key),
    other: await newWebhook(world, other.key),
  };
  const [ofOne, ofTwo] = [await world.agent(one.id), await world.agent(two.id)];
  await world.patch(one.key, ofOne.id, { duration: 31 });
  await world.patch(two.key, ofTwo.id, { duration: 31 });
  await world.companies.revoke(ats.id, one.id);
  await world.companies.grant(other.id, one.id);
  await world.patch(one.key, ofOne.id, { duration: 32 });
  const eventsOf = async ({ id }: { id: string }) =>
    (await bodiesFor(world, id)).map((event) => [Object(event).data.agentId, Object(event).data.version]);
  expect(await eventsOf(hooks.one)).toEqual([
    [ofOne.id, 1],
    [ofOne.id, 2],
    [ofOne.id, 3],
  ]);
  expect(await eventsOf(hooks['one by its ATS'])).toEqual([
    [ofOne.id, 1],
    [ofOne.id, 2],
    [ofOne.id, 3],
  ]);
  expect(await eventsOf(hooks.ats)).toEqual([
    [ofOne.id, 1],
    [ofTwo.id, 1],
    [ofOne.id, 2],
    [ofTwo.id, 2],
  ]);
  expect(await eventsOf(hooks.other)).toEqual([[ofOne.id, 3]]);
});

test('a server that did not yet know an endpoint writes its events, also for a batch with other companies', async () => {
  const quiet = await newSubject(world);
  const subscribed = await newSubject(world);
  const { id } = await newWebhook(world, subscribed.key);
  const statements: string[] = [];
  const { origin } = await openAnotherServer(world, { onStatement: (sql) => statements.push(sql) });
  const patch = ({ key, id: agentId }: { key: string; id: string }, duration: number, extra = {}) =>
    send(origin, {
      ...{ method: 'PATCH', path: `/agents/${agentId}`, body: JSON.stringify({ duration }) },
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...extra },
    });
  const writes = () =>
    statements
      .splice(0)
      .filter((sql) => sql.includes('UPDATE agent a'))
      .map((sql) => sql.includes('INSERT INTO webhook_delivery'));
  expect((await patch(quiet, 41)).status).toBe(200);
  expect(writes()).toEqual([false]);
  const keyed = { 'idempotency-key': randomUUID() };
  const answers = await Promise.all([patch(quiet, 42), patch(subscribed, 42, keyed)]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect((await patch(subscribed, 43)).status).toBe(200);
  expect((await patch(subscribed, 42, keyed)).headers['idempotent-replayed']).toBe('true');
  expect(writes()).toContain(true);
  expect(inShort(await bodiesFor(world, id))).toEqual(['agent.updated 2', 'agent.updated 3']);
});

test('changes by an operator make events without key and request id', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await newWebhook(world, key);
  const agent = await world.agent(companyId);
  await world.agents.delete({ id: agent.id, by: { operator: 'tester' }, companyId: null, version: null });
  const events = await bodiesFor(world, id);
  expect(inShort(events)).toEqual(['agent.created 1', 'agent.deleted 1']);
  expect(events).toMatchObject([
    { data: { requestId: null, keyId: null } },
    { data: { requestId: null, keyId: null } },
  ]);
});

test('purging an agent removes its content from the deliveries of every endpoint', async () => {
  const { id: companyId, key } = await world.company();
  const ats = await world.ats(companyId);
  const hooks = [await newWebhook(world, key), await newWebhook(world, ats.key)];
  const [purged, kept] = [await world.agent(companyId), await world.agent(companyId)];
  await world.patch(key, purged.id, { duration: 31 });
  await world.call(key, `DELETE /agents/${purged.id}`);
  await world.purgeAgent(purged.id);
  for (const { id } of hooks) {
    expect((await bodiesFor(world, id)).map((event) => Object(event).data.agentId)).toEqual([kept.id]);
  }
});

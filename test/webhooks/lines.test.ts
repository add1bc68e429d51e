import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const due = (endpointId: string) =>
  world.sql.query(`UPDATE webhook_delivery SET next_attempt_at = now() WHERE endpoint_id = $1 AND attempts > 0`, [
    endpointId,
  ]);

/** Stores deliveries of one agent, as many changes would. */
const storeLine = (endpointId: string, agentId: string, companyId: string, from: number, to: number) =>
  world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, company_id, version, body)
     SELECT $1::uuid, 'msg_' || gen_random_uuid(), 'agent.updated', $2::uuid, $3::uuid, n,
            json_build_object('type', 'agent.updated', 'data', json_build_object('agentId', $2::text, 'version', n))
       FROM generate_series($4::int, $5::int) n ORDER BY n`,
    [endpointId, agentId, companyId, from, to],
  );

test('a version is sent only after the previous one of its agent was delivered, and other agents do not wait for it', async () => {
  const { id, key, companyId } = await newSubject(world);
  const other = await world.agent(companyId);
  let isOpen = false;
  const receiver = await openReceiver(({ event }, response) => {
    const isRefused = event.data.agentId === id && !isOpen;
    response.writeHead(isRefused ? 500 : 204).end();
  });
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  const { wake } = openSender(world);
  await world.patch(key, id, { duration: 41 });
  await world.patch(key, id, { duration: 42 });
  await world.patch(key, id, { duration: 43 });
  await expect.poll(() => receiver.received.length).toBeGreaterThan(0);
  await world.patch(key, other.id, { duration: 41 });
  await world.patch(key, other.id, { duration: 42 });
  await expect
    .poll(async () => (await storedDeliveries(world, endpoint.id)).filter(({ status }) => status === 'DELIVERED'))
    .toMatchObject([{ agentId: other.id }, { agentId: other.id }]);
  expect(receiver.received.flatMap(({ event: { data } }) => (data.agentId === id ? [data.version] : []))).not.toContain(
    3,
  );

  isOpen = true;
  await due(endpoint.id);
  wake();
  await expect
    .poll(async () => (await storedDeliveries(world, endpoint.id)).map(({ status }) => status))
    .toEqual(Array(5).fill('DELIVERED'));
  const versions = receiver.received.flatMap(({ event: { data } }) => (data.agentId === id ? [data.version] : []));
  expect([...new Set(versions)]).toEqual([2, 3, 4]);
  expect(versions).toEqual(versions.toSorted());
});

test('many versions of one agent arrive in order and once each, whichever of two processes sends them', async () => {
  const { id, companyId } = await newSubject(world);
  let underWay = 0;
  let most = 0;
  const receiver = await openReceiver((_, response) => {
    underWay += 1;
    most = Math.max(most, underWay);
    setImmediate(() => {
      underWay -= 1;
      response.writeHead(204).end();
    });
  });
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  await storeLine(endpoint.id, id, companyId, 1, 150);
  openSender(world);
  openSender(world);
  await expect.poll(() => receiver.received.length).toBe(150);
  expect(receiver.received.map(({ event }) => event.data.version)).toEqual(
    Array.from({ length: 150 }, (_, at) => at + 1),
  );
  expect(most).toBe(1);
});

test('two processes send the deliveries of many agents once each', async () => {
  const { companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  await world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, company_id, version, body)
     SELECT $1::uuid, 'msg_' || n, 'agent.updated', gen_random_uuid(), $2::uuid, 2, '{}' FROM generate_series(1, 400) n`,
    [endpoint.id, companyId],
  );
  openSender(world);
  openSender(world);
  await expect
    .poll(
      async () => (await storedDeliveries(world, endpoint.id)).filter(({ status }) => status !== 'DELIVERED').length,
    )
    .toBe(0);
  expect(receiver.received).toHaveLength(400);
  expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(400);
});

test('hundreds of deliveries of an agent behind a failing one do not delay another agent of the endpoint', async () => {
  const { id, key, companyId } = await newSubject(world);
  const hot = await world.agent(companyId);
  const receiver = await openReceiver(({ event }, response) =>
    response.writeHead(event.data.agentId === hot.id ? 500 : 204).end(),
  );
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  await storeLine(endpoint.id, hot.id, companyId, 2, 700);
  const { wake } = openSender(world);
  await world.patch(key, id, { duration: 41 });
  await expect
    .poll(async () => (await storedDeliveries(world, endpoint.id)).filter(({ status }) => status === 'DELIVERED'))
    .toMatchObject([{ agentId: id, version: 2, attempts: 1 }]);
  // None of them was sent out of order.
  const hotVersions = () =>
    receiver.received.flatMap(({ event: { data } }) => (data.agentId === hot.id ? [data.version] : []));
  await expect.poll(() => hotVersions().length).toBeGreaterThan(0);
  const before = hotVersions().length;
  await due(endpoint.id);
  wake();
  await expect.poll(() => hotVersions().length).toBeGreaterThan(before);
  expect(new Set(hotVersions())).toEqual(new Set([2]));
});

test('an agent gets its turn at an endpoint that 16 other agents keep busy', async () => {
  const { id: companyId } = await world.company();
  const quiet = await world.agent(companyId);
  // So many that they last long on a slow machine; the test ends earlier.
  const [busyAgents, events] = [16, 500];
  const counts = new Map<string, number>();
  let others: number[] | undefined;
  const receiver = await openReceiver(({ event: { data } }, response) => {
    if (data.agentId === quiet.id) others = [...counts.values()];
    else counts.set(data.agentId, (counts.get(data.agentId) ?? 0) + 1);
    setTimeout(() => response.writeHead(204).end(), 30);
  });
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  const busy = Array.from({ length: busyAgents }, () => randomUUID());
  const storeBusy = (from: number, to: number) =>
    Promise.all(busy.map((id) => storeLine(endpoint.id, id, companyId, from, to)));
  // Due before the others, so that the first claim finds one of each agent.
  await storeBusy(1, 1);
  await storeBusy(2, events);
  openSender(world);
  await expect.poll(() => counts.size).toBe(busyAgents);
  await storeLine(endpoint.id, quiet.id, companyId, 2, 2);
  await world.sql.query(
    `UPDATE webhook_delivery SET next_attempt_at = now() - interval '1 hour' WHERE endpoint_id = $1 AND agent_id = $2`,
    [endpoint.id, quiet.id],
  );
  await expect.poll(() => others).toBeDefined();
  // No other one has had all of its events by then.
  expect(Math.max(...(others ?? []))).toBeLessThan(events);
});

test('a redelivery does not wait for earlier deliveries of its agent, nor do they wait for it', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver(({ event: { data } }, response) =>
    response.writeHead(data.version === 2 || data.version === 9 ? 500 : 204).end(),
  );
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  await world.patch(key, id, { duration: 41 });
  await storeLine(endpoint.id, id, companyId, 1, 1);
  await storeLine(endpoint.id, id, companyId, 9, 9);
  const redelivered = `UPDATE webhook_delivery SET is_redelivery = true WHERE endpoint_id = $1 AND version IN (1, 9)`;
  await world.sql.query(redelivered, [endpoint.id]);
  openSender(world);
  await expect
    .poll(() => storedDeliveries(world, endpoint.id))
    .toMatchObject([
      { version: 2, status: 'PENDING', lastStatus: 500 },
      { version: 1, status: 'DELIVERED', attempts: 1 },
      { version: 9, status: 'PENDING', lastStatus: 500 },
    ]);
  const other = await storeEndpoint(world, companyId, receiver.url);
  await storeLine(other.id, id, companyId, 9, 9);
  await world.sql.query(redelivered, [other.id]);
  await storeLine(other.id, id, companyId, 10, 10);
  await expect
    .poll(() => storedDeliveries(world, other.id))
    .toMatchObject([
      { version: 9, status: 'PENDING' },
      { version: 10, status: 'DELIVERED' },
    ]);
});

import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver, verify } from '../support/receiver.ts';
import { newSecret, openSender, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('during a rotation the new secret and the previous one both verify', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const previousSecret = newSecret();
  const { secret } = await storeEndpoint(world, companyId, receiver.url, { previousSecret });
  openSender(world);
  await world.patch(key, id, { duration: 44 });
  await expect.poll(() => receiver.received).toHaveLength(1);
  const [received] = receiver.received;
  if (!received) throw new Error('nothing was received');
  expect(verify(received, secret)).toEqual(verify(received, previousSecret));
  expect(() => verify(received, newSecret())).toThrow();
});

test('after a second rotation within a day only the last two secrets verify', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const { id: endpointId, secret: first } = await storeEndpoint(world, companyId, receiver.url);
  const rotated = async () =>
    String(Object((await world.call(key, `POST /webhooks/${endpointId}/rotate-secret`)).body).secret);
  const [second, third] = [await rotated(), await rotated()];
  openSender(world);
  await world.patch(key, id, { duration: 44 });
  await expect.poll(() => receiver.received).toHaveLength(1);
  const [received] = receiver.received;
  if (!received) throw new Error('nothing was received');
  for (const secret of [second, third]) expect(verify(received, secret)).toEqual(received.event);
  expect(() => verify(received, first)).toThrow();
});

test('24 hours after a rotation the previous secret no longer signs', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const previousSecret = newSecret();
  const endpoint = await storeEndpoint(world, companyId, receiver.url, { previousSecret });
  await world.sql.query('UPDATE webhook_endpoint SET previous_secret_until = now() WHERE id = $1', [endpoint.id]);
  openSender(world);
  await world.patch(key, id, { duration: 44 });
  await expect.poll(() => receiver.received).toHaveLength(1);
  const [received] = receiver.received;
  if (!received) throw new Error('nothing was received');
  expect(verify(received, endpoint.secret)).toMatchObject({ type: 'agent.updated' });
  expect(() => verify(received, previousSecret)).toThrow();
});

test('after a rotation of API_KEY_SECRET deliveries go on with the secret and headers of the endpoint', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const { secret } = await storeEndpoint(world, companyId, receiver.url, { headers: { authorization: 'Basic YTpi' } });
  openSender({ ...world, secret: randomUUID().repeat(2) }, { previousSecret: world.secret });
  await world.patch(key, id, { duration: 44 });
  await expect.poll(() => receiver.received).toHaveLength(1);
  const [received] = receiver.received;
  if (!received) throw new Error('nothing was received');
  expect(verify(received, secret)).toMatchObject({ type: 'agent.updated' });
  expect(received.headers.authorization).toBe('Basic YTpi');
});

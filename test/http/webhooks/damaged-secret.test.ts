import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { resealWebhooks } from '../../../src/webhooks/reseal.repository.ts';
import { sealer } from '../../../src/webhooks/sealer.ts';
import { openSecrets } from '../../../src/webhooks/secrets.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { send } from '../../support/http.ts';
import { expectProblem } from '../../support/problem.ts';
import { openLimited } from '../../support/time-limits.ts';
import { newWebhook, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** Changes the first character of a stored ciphertext. */
const damage = (id: string, column: 'sealed_secret' | 'sealed_previous_secret' | 'sealed_headers') =>
  world.sql.query(
    `UPDATE webhook_endpoint SET ${column} = translate(left(${column}, 1), 'A' || left(${column}, 1), 'BA')
            || substr(${column}, 2) WHERE id = $1`,
    [id],
  );

/** Starts as after a change of API_KEY_SECRET. @returns the secrets, what opens a stored column, and the log of the start */
async function startWithNewSecret() {
  const secrets = { secret: randomUUID().repeat(2), previousSecret: world.secret };
  const sealed = sealer(secrets);
  const open = async (id: string, column: 'secret' | 'headers') => {
    const { [`sealed_${column}`]: text, sealed_under } = await webhookRow(world, id);
    return sealed.open(text, sealed_under, { endpointId: id, column });
  };
  const database = openLimited(world.limits, world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const lines: object[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
  await resealWebhooks(database, sealed, log);
  return { secrets, open, lines };
}

test('a stored secret that was damaged stops no start, and its endpoint can be changed and given a new secret', async () => {
  const { key } = await world.company();
  const damaged = await newWebhook(world, key, { headers: { 'X-A': '1' } });
  const whole = await newWebhook(world, key);
  await damage(damaged.id, 'sealed_secret');
  const before = await webhookRow(world, damaged.id);
  const { secrets, open, lines } = await startWithNewSecret();
  expect(lines).toEqual([
    { level: 30, endpoints: 1, msg: 'webhook endpoints were encrypted anew, under API_KEY_SECRET' },
    {
      ...{ level: 40, endpoints: 1, webhookIds: [damaged.id] },
      msg: 'webhook endpoints are encrypted under another API_KEY_SECRET, or damaged',
    },
  ]);
  expect(await webhookRow(world, damaged.id)).toEqual(before);
  expect(await open(whole.id, 'secret')).toBe(whole.secret);

  const { origin } = await openAnotherServer(world, secrets);
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const path = `/webhooks/${damaged.id}`;
  expect((await send(origin, { path, headers, body: '{"description":"changed"}' })).status).toBe(200);
  // What could not be sent for a secret that is gone does not count towards the five days of the next one.
  await world.sql.query("UPDATE webhook_endpoint SET failing_since = now() - interval '4 days'");
  const rotated = await send(origin, { method: 'POST', path: `${path}/rotate-secret`, headers });
  expect(rotated).toMatchObject({ status: 200, body: { description: 'changed', headerNames: ['x-a'] } });
  expect(await open(damaged.id, 'secret')).toBe(Object(rotated.body).secret);
  expect(await open(damaged.id, 'headers')).toBe('{"x-a":"1"}');
  expect(await webhookRow(world, damaged.id)).toMatchObject({ sealed_previous_secret: null, failing_since: null });
});

test('a damaged secret of before a rotation takes nothing from an endpoint that is whole otherwise', async () => {
  const { key } = await world.company();
  const headers = { 'X-A': '1' };
  const [kept, renewed] = [await newWebhook(world, key, { headers }), await newWebhook(world, key, { headers })];
  const rotate = async (id: string) => {
    const { status, body } = await world.call(key, `POST /webhooks/${id}/rotate-secret`);
    expect([status, Object(body).headerNames]).toEqual([200, ['x-a']]);
    return String(Object(body).secret);
  };
  const secrets = { [kept.id]: await rotate(kept.id), [renewed.id]: await rotate(renewed.id) };
  for (const id of Object.keys(secrets)) await damage(id, 'sealed_previous_secret');
  const { sealed_secret, sealed_previous_secret, sealed_under } = await webhookRow(world, kept.id);
  const columns = { sealedSecret: sealed_secret, sealedPreviousSecret: sealed_previous_secret, sealedHeaders: null };
  const own = sealer({ secret: world.secret, previousSecret: undefined });
  expect(openSecrets({ id: kept.id, ...columns, sealedUnder: sealed_under }, own)).toEqual([secrets[kept.id]]);
  await world.sql.query('UPDATE webhook_endpoint SET previous_secret_until = now()');

  const patched = await world.call(key, `PATCH /webhooks/${renewed.id}`, { body: { headers: { 'X-B': '2' } } });
  expect(patched).toMatchObject({ status: 200, body: { headerNames: ['x-a', 'x-b'] } });
  await world.call(key, `PATCH /webhooks/${renewed.id}`, { body: { headers: { 'X-B': null } } });
  await rotate(renewed.id);
  const row = await webhookRow(world, renewed.id);
  const place = { endpointId: renewed.id, column: 'secret' } as const;
  expect(sealer(world).open(row.sealed_previous_secret, row.sealed_under, place)).toBe(secrets[renewed.id]);

  const { open } = await startWithNewSecret();
  expect([await open(kept.id, 'secret'), await open(kept.id, 'headers')]).toEqual([secrets[kept.id], '{"x-a":"1"}']);
  expect((await webhookRow(world, kept.id)).sealed_under).toBe((await webhookRow(world, renewed.id)).sealed_under);
  expect(await webhookRow(world, kept.id)).toMatchObject({ sealed_previous_secret: null });
});

test('a repeated answer whose secret cannot be decrypted is 400, which a rotation mends', async () => {
  const { key } = await world.company();
  const create = { headers: { 'idempotency-key': 'create' }, body: { url: 'https://a.example.com/', events: ['*'] } };
  const { status, body } = await world.call(key, 'POST /webhooks', create);
  const { id, secret, ...shown } = Object(body);
  expect([status, secret]).toEqual([201, expect.stringContaining('whsec_')]);
  const rotate = (idempotencyKey: string) =>
    world.call(key, `POST /webhooks/${id}/rotate-secret`, { headers: { 'idempotency-key': idempotencyKey } });
  expect((await rotate('rotate')).status).toBe(200);
  await damage(id, 'sealed_secret');
  const before = await webhookRow(world, id);
  const faults: Fault[] = [
    {
      ...{ in: 'header', parameter: 'idempotency-key', code: 'not_allowed' },
      detail: `must not repeat an answer whose secret the server can no longer read: rotate the secret of webhook ${id}, with a new Idempotency-Key`,
    },
  ];
  const instances = [() => world.call(key, 'POST /webhooks', create), () => rotate('rotate')];
  for (const [at, repeat] of instances.entries()) {
    const instance = at === 0 ? '/webhooks' : `/webhooks/${id}/rotate-secret`;
    expectProblem(await repeat(), { code: 'VALIDATION_FAILED', instance, errors: faults });
  }
  expect(await webhookRow(world, id)).toEqual(before);

  const rotated = await rotate('another');
  const repeated = await rotate('another');
  expect(rotated).toMatchObject({ status: 200, body: { ...shown, id, updatedAt: expect.any(String) } });
  expect(repeated).toMatchObject({ status: 200, body: Object(rotated.body) });
  expect(Object(await world.call(key, 'POST /webhooks', create)).body).toEqual({
    id,
    ...shown,
    secret: Object(rotated.body).secret,
  });
});

test('a rotation drops damaged headers, and the secret before it still signs', async () => {
  const { key } = await world.company();
  const { id, secret } = await newWebhook(world, key, { headers: { 'X-A': '1' } });
  await damage(id, 'sealed_headers');
  expect(await world.call(key, `POST /webhooks/${id}/rotate-secret`)).toMatchObject({ body: { headerNames: [] } });
  const row = await webhookRow(world, id);
  expect(row.sealed_headers).toBeNull();
  const place = { endpointId: id, column: 'secret' } as const;
  expect(sealer(world).open(row.sealed_previous_secret, row.sealed_under, place)).toBe(secret);
});

import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../src/database/client.ts';
import { resealWebhooks } from '../../../src/webhooks/reseal.repository.ts';
import { sealer } from '../../../src/webhooks/sealer.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { send } from '../../support/http.ts';
import { expectProblem } from '../../support/problem.ts';
import { newWebhook, trailOf, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();
const renewed = randomUUID().repeat(2);
const after = { secret: renewed, previousSecret: world.secret };

/** The secrets and headers of an endpoint, decrypted by a server with these secrets. */
async function opened(id: string, secrets: { secret: string; previousSecret?: string }) {
  const row = await webhookRow(world, id);
  const { open } = sealer(secrets);
  const text = (sealed: string | null, column: 'secret' | 'headers') =>
    sealed === null ? null : open(sealed, row.sealed_under, { endpointId: id, column });
  return [
    text(row.sealed_secret, 'secret'),
    text(row.sealed_previous_secret, 'secret'),
    text(row.sealed_headers, 'headers'),
  ];
}

/** Re-encrypts the endpoints as a starting server does, and returns its log lines. */
async function reseal(secrets: { secret: string; previousSecret?: string }): Promise<object[]> {
  const database = openDatabase({ url: world.databaseUrl, connections: 1 });
  onTestFinished(() => database.close());
  const lines: object[] = [];
  await resealWebhooks(
    database,
    sealer(secrets),
    pino({ base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) }),
  );
  return lines;
}

test('no column, log line, audit entry, kept answer or later answer holds a secret or header value', async () => {
  const { key } = await world.company();
  const [token, inUrl] = [`token-${randomUUID()}`, `path-${randomUUID()}`];
  const fields = { headers: { Authorization: token }, url: `https://hooks.example.com/${inUrl}` };
  const { id, secret } = await newWebhook(world, key, fields);
  const headers = { 'idempotency-key': randomUUID() };
  const rotated = await world.call(key, `POST /webhooks/${id}/rotate-secret`, { headers });
  const next = String(Object(rotated.body).secret);
  const answers = [
    await world.call(key, 'GET /webhooks'),
    await world.call(key, `GET /webhooks/${id}`),
    await world.call(key, `PATCH /webhooks/${id}`, { body: { headers: { 'X-A': `${token} a` } } }),
    await world.call(key, `POST /webhooks/${id}/ping`),
    await world.call(key, `GET /webhooks/${id}/deliveries`),
  ];
  const rowsOf = async (table: string) =>
    (await world.sql.query(`SELECT t::text AS row FROM ${table} t`)).rows.map(({ row }) => row);
  const tables = ['webhook_endpoint', 'webhook_delivery', 'audit_entry', 'idempotency_key'];
  const stored = (await Promise.all(tables.map(rowsOf))).flat();
  const said = [...stored, ...world.logLines, ...answers.map(({ text }) => text)].join('\n');
  for (const word of [secret, next].map((text) => text.slice('whsec_'.length))) expect(said).not.toContain(word);
  expect(said).not.toContain(token);
  expect([...(await rowsOf('audit_entry')), ...world.logLines].join('\n')).not.toContain(inUrl);
});

test('a sealed text can be opened only for its own endpoint and column, and only unmodified', () => {
  const { seal, open, fingerprint } = sealer({ secret: world.secret });
  const place = { endpointId: randomUUID(), column: 'secret' } as const;
  const sealed = seal('whsec_a', place);
  expect(open(sealed, fingerprint, place)).toBe('whsec_a');
  expect(seal('whsec_a', place)).not.toBe(sealed);
  expect(() => open(sealed, fingerprint, { ...place, endpointId: randomUUID() })).toThrow();
  expect(() => open(sealed, fingerprint, { ...place, column: 'headers' })).toThrow();
  for (const at of [0, 20, sealed.length - 2]) {
    const other = sealed[at] === 'A' ? 'B' : 'A';
    expect(() => open(`${sealed.slice(0, at)}${other}${sealed.slice(at + 1)}`, fingerprint, place)).toThrow();
  }
  const message = 'a webhook endpoint is encrypted under another API_KEY_SECRET';
  expect(() => sealer({ secret: renewed }).open(sealed, fingerprint, place)).toThrow(message);
  expect(sealer(after).open(sealed, fingerprint, place)).toBe('whsec_a');
  expect(fingerprint).toMatch(/^[A-Za-z0-9_-]{22}$/);
});

test('a start after a rotation of API_KEY_SECRET re-encrypts endpoints, which then no longer need the previous secret', async () => {
  const { key } = await world.company();
  const { id, secret } = await newWebhook(world, key, { headers: { 'X-A': '1' } });
  const plain = await newWebhook(world, key);
  const next = String(Object((await world.call(key, `POST /webhooks/${id}/rotate-secret`)).body).secret);
  const before = await webhookRow(world, id);
  expect(await reseal({ secret: renewed })).toEqual([
    expect.objectContaining({
      level: 40,
      msg: 'webhook endpoints are encrypted under another API_KEY_SECRET, or damaged',
    }),
  ]);
  expect(await webhookRow(world, id)).toEqual(before);
  expect(await reseal(after)).toEqual([
    expect.objectContaining({ level: 30, msg: 'webhook endpoints were encrypted anew, under API_KEY_SECRET' }),
  ]);
  expect(await reseal({ secret: renewed })).toEqual([]);
  expect(await opened(id, { secret: renewed })).toEqual([next, secret, '{"x-a":"1"}']);
  expect(await opened(plain.id, { secret: renewed })).toEqual([plain.secret, null, null]);
  const { sealed_secret, sealed_previous_secret, sealed_headers, sealed_under, ...rest } = await webhookRow(world, id);
  expect({ ...before, ...rest }).toEqual(before);
  expect(await reseal({ secret: world.secret, previousSecret: renewed })).toHaveLength(1);
});

test('an endpoint that the server can no longer decrypt can be disabled, led elsewhere and given a new secret', async () => {
  const { key } = await world.company();
  const { id } = await newWebhook(world, key, { headers: { 'X-A': '1' } });
  const plain = await newWebhook(world, key);
  const lose = (one: string) =>
    world.sql.query(`UPDATE webhook_endpoint SET sealed_under = 'lost' WHERE id = $1`, [one]);
  await lose(id);
  await lose(plain.id);
  const before = await webhookRow(world, id);
  const patch = (body: object, one = id) => world.call(key, `PATCH /webhooks/${one}`, { body });
  expect((await patch({ status: 'DISABLED' })).status).toBe(200);
  const { sealed_secret, sealed_headers, sealed_under } = before;
  expect(await webhookRow(world, id)).toMatchObject({
    status: 'DISABLED',
    sealed_secret,
    sealed_headers,
    sealed_under,
  });
  const detail =
    'must be null or absent: the server can no longer read what is stored of this webhook; rotate its secret first';
  const errors = [{ in: 'body', pointer: '#/headers', code: 'not_allowed', detail } as const];
  for (const one of [id, plain.id]) {
    for (const body of [{ headers: { 'X-B': '2' } }, { headers: { 'X-B': '2' }, url: 'https://other.example.com/' }]) {
      expectProblem(await patch(body, one), { code: 'VALIDATION_FAILED', instance: `/webhooks/${one}`, errors });
    }
  }
  expect((await patch({ url: 'https://other.example.com/' }, plain.id)).status).toBe(200);
  expect((await trailOf(world, plain.id)).at(-1)?.details.changed).toEqual(['url']);
  expect((await patch({ headers: null })).body).toMatchObject({ headerNames: [] });
  expect(await webhookRow(world, id)).toMatchObject({ sealed_secret, sealed_headers: null, sealed_under });
  await world.sql.query('UPDATE webhook_endpoint SET sealed_headers = $2, header_names = $3 WHERE id = $1', [
    ...[id, sealed_headers, ['x-a']],
  ]);
  const rotated = await world.call(key, `POST /webhooks/${id}/rotate-secret`);
  expect(rotated).toMatchObject({ status: 200, body: { headerNames: [] } });
  expect(await opened(id, world)).toEqual([Object(rotated.body).secret, null, null]);
});

test('while servers with either secret run, those that know both can read and change every endpoint', async () => {
  const { key } = await world.company();
  const { id, secret } = await newWebhook(world, key, { headers: { 'X-A': '1' } });
  const { origin } = await openAnotherServer(world, after);
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ headers: { 'X-B': '2' } });
  expect((await send(origin, { method: 'PATCH', path: `/webhooks/${id}`, headers, body })).status).toBe(200);
  expect(await opened(id, { secret: renewed })).toEqual([secret, null, '{"x-a":"1","x-b":"2"}']);
});

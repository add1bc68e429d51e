import { expect, test } from 'vitest';
import { sealer } from '../../../src/webhooks/sealer.ts';
import { faultsOf, readDocument } from '../../support/document.ts';
import { newWebhook, target, trailOf, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();
const document = readDocument((await world.send({ method: 'GET', path: '/openapi.json' })).text);
const headers = { Authorization: 'Basic c2VjcmV0' };

test.each([
  ['another host', 'https://other.example.com/agents'],
  ['another port', 'https://hooks.example.com:8443/agents'],
])('a URL with %s drops the stored headers, all but those of the same patch', async (_, url) => {
  const { key } = await world.company();
  const hooks = [await newWebhook(world, key, { headers }), await newWebhook(world, key, { headers })];
  const [alone, withHeaders] = [{ url }, { url, headers: { 'X-B': '2' } }];
  const answers = [];
  for (const [at, body] of [alone, withHeaders].entries()) {
    answers.push(await world.call(key, `PATCH /webhooks/${hooks[at]?.id}`, { body }));
  }
  expect(answers.map(({ status, body }) => [status, Object(body).url, Object(body).headerNames])).toEqual([
    [200, url, []],
    [200, url, ['x-b']],
  ]);
  const rows = await Promise.all(hooks.map(({ id }) => webhookRow(world, id)));
  expect(rows[0]).toMatchObject({ header_names: [], sealed_headers: null });
  const { open, fingerprint } = sealer({ secret: world.secret });
  const place = { endpointId: rows[1].id, column: 'headers' } as const;
  expect(JSON.parse(open(rows[1].sealed_headers, fingerprint, place))).toEqual({ 'x-b': '2' });
  for (const { id } of hooks) {
    expect((await trailOf(world, id)).at(-1)?.details).toMatchObject({ changed: ['url', 'headers'] });
  }
});

test('a URL of the same origin keeps the stored headers', async () => {
  const { key } = await world.company();
  const { id } = await newWebhook(world, key, { headers });
  const { sealed_headers } = await webhookRow(world, id);
  const url = 'https://hooks.example.com/other?path=1';
  const answer = await world.call(key, `PATCH /webhooks/${id}`, { body: { url } });
  expect(answer).toMatchObject({ status: 200, body: { url, headerNames: ['authorization'] } });
  expect(await webhookRow(world, id)).toMatchObject({ sealed_headers });
});

const bounds: readonly (readonly [what: string, name: string, value: string | null, isAccepted: boolean])[] = [
  ['every character that names may have', "0!#$%&'*+-.^_`|~aZ", 'v', true],
  ['a name of 100 characters', 'x'.repeat(100), 'v', true],
  ['a name of 101 characters', 'x'.repeat(101), 'v', false],
  ['a name that begins with a hyphen', '-x', 'v', false],
  ['a name with a colon', 'X:A', 'v', false],
  ['null', 'X-A', null, true],
  ['an empty value', 'X-A', '', false],
  ['a blank and a tab inside', 'X-A', 'a \tb', true],
  ['a blank at the end', 'X-A', 'a ', false],
  ['a blank at the beginning', 'X-A', ' a', false],
  ['a letter beyond ASCII', 'X-A', 'ü', false],
  ['a value of 4096 characters', 'X-A', 'v'.repeat(4096), true],
  ['a value of 4097 characters', 'X-A', 'v'.repeat(4097), false],
];

test.for(bounds)(
  'the document says what the server does with a header that has %s',
  async ([, name, value, isAccepted]) => {
    const { id: companyId, key } = await world.company();
    const body = { ...target, headers: { [name]: value } };
    const answer = await world.call(key, 'POST /webhooks', { body });
    expect(answer.status).toBe(isAccepted ? 201 : 400);
    const { rows } = await world.sql.query('SELECT header_names AS names FROM webhook_endpoint WHERE company_id = $1', [
      companyId,
    ]);
    expect(rows).toEqual(isAccepted ? [{ names: value === null ? [] : [name.toLowerCase()] }] : []);
    const place = ['components', 'schemas', 'WebhookDraft'];
    expect(faultsOf(document, place, body).length === 0).toBe(isAccepted);
  },
);

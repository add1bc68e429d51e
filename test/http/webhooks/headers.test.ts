import { expect, test } from 'vitest';
import { sealer } from '../../../src/webhooks/sealer.ts';
import { newWebhook, trailOf, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();
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

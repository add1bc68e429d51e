import { expect, test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { expectProblem } from '../../support/problem.ts';
import { newWebhook, target, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const fault = (pointer: string, code: Fault['code'], detail: string, limit?: number): Fault => ({
  ...{ in: 'body', pointer, code, detail },
  ...(limit !== undefined && { limit }),
});
const form = 'must be a URL like https://example.com/hooks, in ASCII, without user, password and fragment';
const ofUrl = fault('#/url', 'bad_format', form);
const notTarget = (why: string) =>
  fault('#/url', 'not_allowed', `must be a URL to which webhooks may be sent, but ${why}`);
const value = 'must be 1 to 4096 visible ASCII characters, with blanks inside only, or null to remove the header';
const name = "must be the name of a header: a letter or digit, then at most 99 letters, digits and !#$%&'*+-.^_`|~";
const own = 'must not be set: the server sets this header itself';
const types = '*, agent.created, agent.updated, agent.deleted, webhook.ping';
const headersUpTo = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`X-${at}`, 'v']));

const wrong: readonly (readonly [what: string, fields: object, ...faults: Fault[]])[] = [
  ['no URL', { url: 'example' }, ofUrl],
  ['another scheme', { url: 'ftp://example.com/' }, ofUrl],
  ['a user', { url: 'https://user@example.com/' }, ofUrl],
  ['a password', { url: 'https://:secret@example.com/' }, ofUrl],
  ['a fragment', { url: 'https://example.com/#a' }, ofUrl],
  ['a backslash', { url: 'https://example.com\\@127.0.0.1/' }, ofUrl],
  ['a line break', { url: 'https://example.com/\n' }, ofUrl],
  ['other characters than ASCII', { url: 'https://exämple.com/' }, ofUrl],
  [
    'a long URL',
    { url: `https://example.com/${'a'.repeat(2048)}` },
    fault('#/url', 'too_long', 'must have at most 2048 characters', 2048),
  ],
  ['http', { url: 'http://example.com/' }, notTarget('the URL is not https')],
  ['a private address', { url: 'https://10.1.2.3/' }, notTarget('the address is not public')],
  ['loopback, written as a number', { url: 'https://2130706433/' }, notTarget('the address is not public')],
  ['the metadata service', { url: 'https://[::ffff:169.254.169.254]/' }, notTarget('the address is not public')],
  ['no events', { events: [] }, fault('#/events', 'too_short', 'must have at least 1 item', 1)],
  ['an unknown event', { events: ['agent.read'] }, fault('#/events/0', 'not_allowed', `must be one of ${types}`)],
  [
    'a long description',
    { description: 'a'.repeat(201) },
    fault('#/description', 'too_long', 'must have at most 200 characters', 200),
  ],
  [
    'U+0000',
    { description: '\u0000' },
    fault('#/description', 'bad_characters', 'must not hold U+0000 or an unpaired surrogate, in a string or in a key'),
  ],
  ['a line break in a header', { headers: { 'X-A': 'a\r\nX-B: b' } }, fault('#/headers/X-A', 'bad_format', value)],
  ['an empty header', { headers: { 'X-A': '' } }, fault('#/headers/X-A', 'bad_format', value)],
  ['a header that is no text', { headers: { 'X-A': 1 } }, fault('#/headers/X-A', 'bad_format', value)],
  ['a header without a name', { headers: { '': 'a' } }, fault('#/headers/', 'bad_format', name)],
  ['a header with a colon', { headers: { 'X:A': 'a' } }, fault('#/headers/X:A', 'bad_format', name)],
  [
    'a header that frames the message',
    { headers: { 'Transfer-Encoding': 'a' } },
    fault('#/headers/Transfer-Encoding', 'not_allowed', own),
  ],
  [
    'the signature',
    { headers: { 'Webhook-Signature': 'a' } },
    fault('#/headers/Webhook-Signature', 'not_allowed', own),
  ],
  ['eleven headers', { headers: headersUpTo(11) }, fault('#/headers', 'too_many', 'must have at most 10 items', 10)],
  [
    'several faults',
    { url: 'a', events: ['b'], headers: { Host: 'c' } },
    ...[
      ofUrl,
      fault('#/events/0', 'not_allowed', `must be one of ${types}`),
      fault('#/headers/Host', 'not_allowed', own),
    ],
  ],
];

test.for(wrong)(
  'an endpoint with %s is refused, by POST and PATCH, and nothing is stored',
  async ([, fields, ...errors]) => {
    const { id: companyId, key } = await world.company();
    const made = await world.call(key, 'POST /webhooks', { body: { ...target, ...fields } });
    expectProblem(made, { code: 'VALIDATION_FAILED', instance: '/webhooks', errors });
    const { rows } = await world.sql.query('SELECT FROM webhook_endpoint WHERE company_id = $1', [companyId]);
    expect(rows).toHaveLength(0);
    const { id } = await newWebhook(world, key);
    const before = await webhookRow(world, id);
    const changed = await world.call(key, `PATCH /webhooks/${id}`, { body: fields });
    expectProblem(changed, { code: 'VALIDATION_FAILED', instance: `/webhooks/${id}`, errors });
    expect(await webhookRow(world, id)).toEqual(before);
  },
);

test('a new endpoint with a private address and eleven headers is told of both, if the rest of its body is right', async () => {
  const { id: companyId, key } = await world.company();
  const body = { ...target, url: 'https://10.1.2.3/', headers: headersUpTo(11) };
  const answer = await world.call(key, 'POST /webhooks', { body });
  const tooMany = fault('#/headers', 'too_many', 'must have at most 10 items', 10);
  const errors = [notTarget('the address is not public'), tooMany];
  expectProblem(answer, { code: 'VALIDATION_FAILED', instance: '/webhooks', errors });
  const { rows } = await world.sql.query('SELECT FROM webhook_endpoint WHERE company_id = $1', [companyId]);
  expect(rows).toHaveLength(0);
});

test('a URL of 256 KB with a host in Punycode is refused at no more than ten times the cost of another of that length', async () => {
  const { id: companyId, key } = await world.company();
  const tooLong = fault('#/url', 'too_long', 'must have at most 2048 characters', 2048);
  const costOf = async (url: string) => {
    const before = process.cpuUsage();
    const answer = await world.call(key, 'POST /webhooks', { body: { ...target, url } });
    const { user, system } = process.cpuUsage(before);
    expectProblem(answer, { code: 'VALIDATION_FAILED', instance: '/webhooks', errors: [tooLong] });
    return user + system;
  };
  const rest = 'm'.repeat(260_000);
  await costOf(`https://example.com/${rest}`);
  const usual = await costOf(`https://example.com/${rest}`);
  const times = (await costOf(`https://xn--${rest}.com/`)) / usual;
  console.log(`${times.toFixed(1)} times`);
  expect(times).toBeLessThan(10);
  const { rows } = await world.sql.query('SELECT FROM webhook_endpoint WHERE company_id = $1', [companyId]);
  expect(rows).toHaveLength(0);
});

test('an endpoint at every limit is accepted: URL, events, description in code points, headers and their values', async () => {
  const { key } = await world.company();
  const start = 'https://example.com/';
  const url = `${start}${'a'.repeat(2048 - start.length)}`;
  const headers = Object.fromEntries(Object.keys(headersUpTo(10)).map((header) => [header, 'v'.repeat(4096)]));
  const events = Array(10).fill('agent.updated');
  const made = await newWebhook(world, key, { url, events, description: '🎤'.repeat(200), headers });
  expect(made.shown).toMatchObject({
    url,
    events,
    description: '🎤'.repeat(200),
    headerNames: Object.keys(headers).map((header) => header.toLowerCase()),
  });
  const empty = await world.call(key, `PATCH /webhooks/${made.id}`, { body: { description: '' } });
  expect([empty.status, empty.body]).toMatchObject([200, { description: '' }]);
});

test('a merge of headers may result in ten, and no more', async () => {
  const { key } = await world.company();
  const { id } = await newWebhook(world, key, { headers: headersUpTo(10) });
  const patch = (headers: object) => world.call(key, `PATCH /webhooks/${id}`, { body: { headers } });
  const errors = [fault('#/headers', 'too_many', 'must have at most 10 items', 10)];
  expectProblem(await patch({ 'X-10': 'v' }), { code: 'VALIDATION_FAILED', instance: `/webhooks/${id}`, errors });
  expect((await patch({ 'x-0': null, 'X-10': 'v' })).status).toBe(200);
});

test.for([
  ['POST', { url: target.url }, '#/events', 'required', 'is required'],
  ['POST', { events: ['*'] }, '#/url', 'required', 'is required'],
  [
    'PATCH',
    { retries: 3 },
    '#/retries',
    'unknown_member',
    'is not known; what can be set is url, events, description, headers, status',
  ],
] as const)('%s with %o is refused', async ([method, body, pointer, code, detail]) => {
  const { key } = await world.company();
  const { id } = await newWebhook(world, key);
  const path = method === 'POST' ? '/webhooks' : `/webhooks/${id}`;
  const answer = await world.call(key, `${method} ${path}`, { body });
  expectProblem(answer, { code: 'VALIDATION_FAILED', instance: path, errors: [fault(pointer, code, detail)] });
});

test('POST /webhooks refuses status', async () => {
  const { key } = await world.company();
  const answer = await world.call(key, 'POST /webhooks', { body: { ...target, status: 'DISABLED' } });
  expect([answer.status, Object(answer.body).errors[0]]).toMatchObject([
    400,
    { pointer: '#/status', code: 'unknown_member' },
  ]);
});

test.for(['PATCH', 'POST'] as const)(
  'a %s that sends back an endpoint as it was read is told what is read-only in it',
  async (method) => {
    const { key } = await world.company();
    const { id, secret, shown } = await newWebhook(world, key);
    const path = method === 'POST' ? '/webhooks' : `/webhooks/${id}`;
    const { status, ...rest } = shown;
    const body = { ...rest, secret, ...(method === 'PATCH' && { status }) };
    const names = Object.keys(body).filter((name) => !['url', 'events', 'description', 'status'].includes(name));
    const errors = names.map((name) => fault(`#/${name}`, 'unknown_member', 'is read-only: leave it out'));
    expect(names).toContain('headerNames');
    expectProblem(await world.call(key, `${method} ${path}`, { body }), {
      code: 'VALIDATION_FAILED',
      instance: path,
      errors,
    });
  },
);

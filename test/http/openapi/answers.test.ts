import { expect, test } from 'vitest';
import { documented, expectDocumented, readDocument } from '../../support/document.ts';
import { health, withKey } from '../../support/endpoints.ts';
import { fullFields } from '../../support/fields.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { idsFor, named } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ docs: false, quotas: { perMinute: 600, perHour: 20_000 } });
const served = await world.send({ method: 'GET', path: '/openapi.json' });
const document = readDocument(served.text);

/** Headers of every answer to an accepted key. */
const limits = ['limit', 'remaining', 'reset'].flatMap((name) =>
  ['minute', 'hour'].map((window) => `x-ratelimit-${name}-${window}`),
);

/** Headers of every success, beside X-Request-Id. */
const headersOf: Readonly<Record<string, readonly string[]>> = {
  'GET /agents/:id': ['etag'],
  'POST /agents': ['etag', 'location'],
  'POST /webhooks': ['location'],
  'PATCH /agents/:id': ['etag', 'changed-fields'],
  'POST /agents/:id/versions/1/restore': ['etag', 'changed-fields'],
};

test.for(withKey)(
  'successes and refusals of $line are as the document describes them',
  async ({ line, status, body }) => {
    const { id, companyId, key } = await newSubject(world, fullFields);
    await world.phoneNumber(companyId);
    await world.patch(key, id, { metadata: { team: null } });
    const [method, template] = documented(line);
    const expectAs = (answer: Awaited<ReturnType<typeof world.call>>, headers: readonly string[]) =>
      expectDocumented(document, [method.toLowerCase(), template], answer, headers);
    const ids = await idsFor(world, line, { id, key });
    const path = named(line, ids);
    const usedUp = await world.limitedKey(companyId, { perMinute: 1 });
    await world.call(usedUp, 'GET /companies');
    expectAs(await world.call(usedUp, path, { body }), ['retry-after', ...limits]);
    expectAs(await world.call('nobody', path, { body }), ['www-authenticate']);
    expectAs(await world.call(key, `${path}?unknown=1`, { body }), limits);
    if (line.includes(':id')) {
      const other = await world.company();
      expectAs(await world.call(other.key, path, { body }), limits);
      expectAs(await world.call(key, named(line, { ...ids, id: companyId }), { body }), limits);
    }
    const success = await world.call(key, path, { body });
    expect(success.status).toBe(status);
    expectAs(success, [...limits, ...(headersOf[line] ?? [])]);
  },
);

test.for(withKey)(
  'successes and refusals of $line have the request id that was sent',
  async ({ line, status, body }) => {
    const { id, key } = await newSubject(world);
    const headers = { 'x-request-id': 'sent.by-the_caller' };
    const path = named(line, await idsFor(world, line, { id, key }));
    const answers = [
      await world.call('nobody', path, { body, headers }),
      await world.call(key, `${path}?unknown=1`, { body, headers }),
      await world.call(key, path, { body, headers }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([401, 400, status]);
    expect(answers.map((answer) => answer.headers['x-request-id'])).toEqual(Array(3).fill(headers['x-request-id']));
  },
);

test.for(health)('an answer to $line is as the document describes it', async ({ line }) => {
  const [method, path] = documented(line);
  expectDocumented(document, [method.toLowerCase(), path], await world.send({ method, path }), []);
});

test('a PATCH of a phone number by an ATS key is answered as the document describes it', async () => {
  const { id, companyId } = await newSubject(world);
  const { key } = await world.ats(companyId);
  const body = { type: 'PHONE', companyPhoneNumberId: await world.phoneNumber(companyId), metadata: { a: [1, null] } };
  const headers = { 'content-type': 'application/merge-patch+json' };
  const answer = await world.call(key, `PATCH /agents/${id}?companyId=${companyId}`, { body, headers });
  expect(answer.status).toBe(200);
  const documentedHeaders = ['etag', 'changed-fields', 'agent-phone-number-id', ...limits];
  expectDocumented(document, ['patch', '/agents/{id}'], answer, documentedHeaders);
});

test.for([
  ['content-type', 'text/plain', 'accept-patch'],
  ['content-encoding', 'gzip', 'accept-encoding'],
] as const)('a 415 for %s: %s is as the document describes it, with %s', async ([name, value, accepted]) => {
  const { id, key } = await newSubject(world);
  const answer = await world.call(key, `PATCH /agents/${id}`, { body: {}, headers: { [name]: value } });
  expect(answer.status).toBe(415);
  expectDocumented(document, ['patch', '/agents/{id}'], answer, [accepted, ...limits]);
});

test('a 304 is as the document describes it', async () => {
  const { id, key } = await newSubject(world);
  const answer = await world.call(key, `GET /agents/${id}`, { headers: { 'if-none-match': '"1"' } });
  expect(answer.status).toBe(304);
  expectDocumented(document, ['get', '/agents/{id}'], answer, ['etag', ...limits]);
});

test.for(['PATCH /agents/:id', 'POST /agents/:id/versions/1/restore'])(
  'a dry run of %s and a failed precondition are as the document describes them',
  async (line) => {
    const { id, key } = await newSubject(world);
    const [method, path] = documented(line);
    const body = method === 'PATCH' ? { duration: 31 } : undefined;
    const operation = [method.toLowerCase(), path] as const;
    const tried = await world.call(key, `${line.replace(':id', id)}?dryRun=true`, { body });
    expectDocumented(document, operation, tried, ['etag', 'changed-fields', 'dry-run', ...limits]);
    const headers = { 'if-match': '"9"' };
    expectDocumented(document, operation, await world.call(key, line.replace(':id', id), { body, headers }), [
      'etag',
      ...limits,
    ]);
  },
);

test.for([
  ['POST /agents', 'location'],
  ['PATCH /agents/:id', 'changed-fields'],
  ['POST /agents/:id/versions/1/restore', 'changed-fields'],
])(
  'a replayed answer to %s, and the 404 after its agent is erased, are as the document describes them',
  async ([line = '', header = '']) => {
    const { id, key } = await newSubject(world);
    const { body } = withKey.find((endpoint) => endpoint.line === line) ?? {};
    const [method, path] = documented(line);
    const send = () => world.call(key, line.replace(':id', id), { body, headers: { 'idempotency-key': 'again' } });
    const first = await send();
    const repeated = await send();
    expect(repeated.status).toBe(first.status);
    const headers = ['etag', 'idempotent-replayed', header, ...limits];
    expectDocumented(document, [method.toLowerCase(), path], repeated, headers);
    await world.deleteAgent(Object(first.body).id);
    await world.purgeAgent(Object(first.body).id);
    const gone = await send();
    expect(gone.status).toBe(404);
    expectDocumented(document, [method.toLowerCase(), path], gone, limits);
  },
);

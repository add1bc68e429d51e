import { METHODS } from 'node:http';
import { expect, test } from 'vitest';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { problems } from '../../../src/http/problems.ts';
import { expectAgent, expectRefusal, newSubject, sendText } from '../../support/patch-agent.ts';
import { expectProblem, statuses } from '../../support/problem.ts';
import { head, RawSocket } from '../../support/raw-socket.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ docs: false });

const id = '123e4567-e89b-12d3-a456-426614174000';
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('the codes are exactly those of the contract, each with its status', () => {
  const table = Object.entries(problems).map(([code, { status }]) => [code, status]);
  expect(Object.fromEntries(table)).toEqual(statuses);
});

// biome-ignore format: a table
const unknownPaths = [
  '/', `/agents/${id}/`, `/Agents/${id}`, `//agents/${id}`, `/agents/${id}/x`, '/x?a=1',
  '/agents/', '/agents/?companyId=x', '/agents//', '/agents//versions', `/agents/${id}/versions/`,
  `/agents/${id}/versions//diff`, `/agents/${id}/versions//restore`, '/webhooks/', '/webhooks//ping',
  `/webhooks/${id}/deliveries//redeliver`, '/companies/', '/phone-numbers/', '/api-key/', '/problems/',
  '/health/live/', `/agents%2F${id}`,
];

test.for(unknownPaths.flatMap((path) => ['PATCH', 'GET', 'POST', 'PROPFIND'].map((method) => [method, path] as const)))(
  '%s %s answers 404 ROUTE_NOT_FOUND, with and without a key',
  async ([method, path]) => {
    const { key } = await world.company();
    const instance = path.split('?', 1)[0] ?? '';
    for (const headers of [{}, { authorization: `Bearer ${key}`, 'content-type': 'application/json' }]) {
      expectProblem(await world.send({ method, path, headers, body: '{' }), { code: 'ROUTE_NOT_FOUND', instance });
    }
  },
);

const methods = ['DELETE', 'GET', 'HEAD', 'PATCH'];
const otherMethods = METHODS.filter((method) => ![...methods, 'CONNECT'].includes(method));

test.for(otherMethods)('%s on an agent answers 405 with the allowed methods in Allow', async (method) => {
  const agent = await newSubject(world);
  const headers = { authorization: `Bearer ${agent.key}` };
  const send = () => world.send({ method, path: `/agents/${agent.id}?companyId=x`, headers });
  const answer = await expectRefusal(world, agent.id, send, { code: 'METHOD_NOT_ALLOWED' });
  expect(answer.headers.allow).toBe(methods.join(', '));
  const withoutKey = await world.send({ method, path: `/agents/${agent.id}` });
  expectProblem(withoutKey, { code: 'METHOD_NOT_ALLOWED', instance: `/agents/${agent.id}` });
});

const heads = [
  [`/agents/${id}`, 401, undefined],
  [`/agents/${id}/versions/1/restore`, 405, 'POST'],
  ['/nowhere', 404, undefined],
  ['/agents/%', 400, undefined],
] as const;

test.for(heads)('HEAD %s answers %d without a body', async ([path, status, allow]) => {
  const answer = await world.send({ method: 'HEAD', path });
  expect(answer).toMatchObject({ status, text: '' });
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.headers['x-request-id']).toMatch(uuid);
  expect(answer.headers.allow).toBe(allow);
});

const undecodable = [
  '/agents/%',
  '/agents/%E0%A4%A',
  '/agents/%FF',
  '/agents/%ED%A0%80',
  `/agents/${id}%zz`,
  '/%C0%AF',
];

test.for(undecodable)('the path %s cannot be decoded and answers 400, with and without a key', async (path) => {
  const { key } = await world.company();
  const detail = problemTexts.pathEncoding;
  for (const headers of [{}, { authorization: `Bearer ${key}` }]) {
    const answer = await world.send({ path, headers, body: '{' });
    expectProblem(answer, { code: 'MALFORMED_REQUEST', instance: path, detail });
  }
});

/** Requests that are refused before their body is read: a length is sent, and no body. */
const unread = [
  [`PATCH /agents/${id}`, 'INVALID_API_KEY'],
  [`PUT /agents/${id}`, 'METHOD_NOT_ALLOWED'],
  ['PATCH /nowhere', 'ROUTE_NOT_FOUND'],
  ['PATCH /agents/%', 'MALFORMED_REQUEST'],
] as const;

test.for(unread)('%s answers %s before its body is read', async ([line, code]) => {
  const answer = await RawSocket.use(world.origin, (socket) => {
    socket.write(head(`${line} HTTP/1.1`, 'host: x', 'content-type: application/json', 'content-length: 100'));
    return socket.answer();
  });
  expect(answer).toMatchObject({ status: statuses[code], body: { code } });
});

const echoed = ['a', '0', 'A-Z.0_9', '-', 'task_01J9Z3K4M5N6P7', 'x'.repeat(128)].map((requestId) => ({
  shown: shown(requestId),
  requestId,
}));
const replaced = ['', 'x'.repeat(129), 'a b', 'a/b', 'a,b', 'é', '"a"', ['a', 'b']].map((requestId) => ({
  shown: shown(requestId),
  requestId,
}));

/** A request id, shortened for the title. */
function shown(requestId: string | string[]): string {
  return requestId.length > 20 ? `of ${requestId.length} characters` : JSON.stringify(requestId);
}

/** One request for each kind of answer, with the given request id. */
async function answersTo(requestId: string | string[]) {
  const agent = await newSubject(world);
  const headers = { 'x-request-id': requestId };
  return Promise.all([
    world.patch(agent.key, agent.id, {}, { headers }),
    world.patch(agent.key, agent.id, { name: 1 }, { headers }),
    world.patch('no key', agent.id, {}, { headers }),
    world.send({ path: '/nowhere', headers }),
    world.send({ path: '/agents/%', headers }),
    world.send({ method: 'PUT', path: `/agents/${id}`, headers }),
  ]);
}

test.for(echoed)('the request id $shown is in every answer and in every problem', async ({ requestId }) => {
  const answers = await answersTo(requestId);
  expect(answers.map(({ status }) => status)).toEqual([200, 400, 401, 404, 400, 405]);
  expect(answers.map(({ headers }) => headers['x-request-id'])).toEqual(Array(6).fill(requestId));
  for (const { body } of answers.slice(1)) expect(body).toMatchObject({ requestId });
});

test.for(replaced)('the invalid request id $shown is replaced by a new one in every answer', async ({ requestId }) => {
  const ids = (await answersTo(requestId)).map(({ headers }) => headers['x-request-id']);
  for (const one of ids) expect(one).toMatch(uuid);
  expect(new Set(ids).size).toBe(6);
});

test.for(['companyid', 'company_id', 'CompanyID', 'company'])(
  'an ATS key that names its company with the parameter %s gets the right name in the answer',
  async (written) => {
    const agent = await newSubject(world);
    const ats = await world.ats(agent.companyId);
    const send = () => world.patch(ats.key, agent.id, {}, { query: `?dryRun=true&${written}=${agent.companyId}` });
    const detail = problemTexts.companyMisnamed(written);
    await expectRefusal(world, agent.id, send, { code: 'COMPANY_ID_REQUIRED', detail });
  },
);

test('an ATS key without a company gets no hint about parameters with unrelated names', async () => {
  const agent = await newSubject(world);
  const { key } = await world.ats(agent.companyId);
  for (const query of ['', '?companyId=', '?dryRun=true', `?organizationId=${agent.companyId}`]) {
    await expectRefusal(world, agent.id, () => world.patch(key, agent.id, {}, { query }), {
      code: 'COMPANY_ID_REQUIRED',
    });
  }
});

test('no answer contains the query', async () => {
  const agent = await newSubject(world);
  const ats = await world.ats(agent.companyId);
  const query = '?companyId=confidential';
  const patch = (key: string, headers: Record<string, string> = {}, body: object = {}) =>
    world.patch(key, agent.id, body, { query, headers });
  const keyed = { 'idempotency-key': 'used' };
  const answers = [
    await patch(agent.key, keyed),
    await patch(agent.key, {}, { name: 1 }),
    await patch(ats.key),
    await patch('no key'),
    await world.patch(agent.key, id, {}, { query }),
    await world.send({ path: `/nowhere${query}` }),
    await world.send({ method: 'PUT', path: `/agents/${agent.id}${query}` }),
    await patch(agent.key, { 'if-match': '"9"' }),
    await patch(agent.key, keyed, { name: 'Another' }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 400, 400, 401, 404, 404, 405, 412, 422]);
  for (const { text, headers } of answers) expect(`${text}${JSON.stringify(headers)}`).not.toContain('confidential');
});

test('of two Content-Type headers the first counts', async () => {
  const agent = await newSubject(world);
  const send = (...types: string[]) => sendText(world, agent, '{"duration":46}', { 'content-type': types });
  const wrongFirst = () => send('text/plain', 'application/json');
  await expectRefusal(world, agent.id, wrongFirst, { code: 'UNSUPPORTED_MEDIA_TYPE' });
  const answer = await send('application/json', 'text/plain');
  const { row } = await storedAgent(world, agent.id);
  expect(row).toMatchObject({ duration: 46, version: 2 });
  expectAgent(answer, row);
});

import { randomUUID } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import type { Answer } from '../support/http.ts';
import { newSubject } from '../support/patch-agent.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { sendSlowly } from '../support/slow-body.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

type Line = Record<string, unknown>;

/** The log line of a request. */
async function lineOf(requestId: string): Promise<Line> {
  const find = () =>
    world.logLines.map((line): Line => JSON.parse(line)).find((line) => line['requestId'] === requestId);
  return await vi.waitUntil(find, { timeout: 60_000 });
}

const ids = () => {
  const requestId = randomUUID();
  return { requestId, headers: { 'x-request-id': requestId } };
};

test('the log line of a 400 lists the first three faults with place, pointer or parameter, and code, without any name or value that the client chose', async () => {
  const { id, key } = await newSubject(world);
  const { requestId, headers } = ids();
  const secret = `secret-${randomUUID()}`;
  const body = {
    duration: 500,
    questions: [secret, 7],
    metadata: { [secret]: { [secret]: '\u0000' } },
    name: null,
    [secret]: secret,
    language: secret,
  };
  const answer = await world.patch(key, id, body, {
    query: `?${secret}=1`,
    headers: { ...headers, 'if-match': secret },
  });
  expect(answer.status).toBe(400);
  const line = await lineOf(requestId);
  const faults = [
    { in: 'query', parameter: '*', code: 'unknown_member' },
    { in: 'header', parameter: 'if-match', code: 'bad_format' },
    { in: 'body', pointer: '#/*', code: 'unknown_member' },
  ];
  expect(line).toMatchObject({ status: 400, code: 'VALIDATION_FAILED', faults });
  expect(line['faults']).toHaveLength(3);
  expect(JSON.stringify(line)).not.toContain(secret);
});

test('a fault inside metadata is logged without the keys of the metadata', async () => {
  const { id, key } = await newSubject(world);
  const { requestId, headers } = ids();
  await world.patch(key, id, { metadata: { department: [{ floor: '\u0000' }] } }, { headers });
  expect(await lineOf(requestId)).toMatchObject({
    faults: [{ in: 'body', pointer: '#/metadata/*/0/*', code: 'bad_characters' }],
  });
});

test('numbers of more than two digits that the client chose as names are not logged', async () => {
  const { id, key } = await newSubject(world);
  const pointer = (at: string, code: string) => ({ in: 'body', pointer: at, code });
  const cases = [
    { body: { metadata: { '078051120': '\u0000' } }, faults: [pointer('#/metadata/*', 'bad_characters')] },
    {
      body: { metadata: { list: Array(101).fill('\u0000') } },
      faults: [0, 1, 2].map((at) => pointer(`#/metadata/*/${at}`, 'bad_characters')),
    },
    { body: { 19840312: 1 }, faults: [pointer('#/*', 'unknown_member')] },
    { body: {}, query: '?123456789=1', faults: [{ in: 'query', parameter: '*', code: 'unknown_member' }] },
    { body: {}, query: '?42=1', faults: [{ in: 'query', parameter: '*', code: 'unknown_member' }] },
  ];
  for (const { body, query = '', faults } of cases) {
    const { requestId, headers } = ids();
    expect((await world.patch(key, id, body, { query, headers })).status).toBe(400);
    expect((await lineOf(requestId))['faults']).toEqual(faults);
  }
});

test('the log line of a 401 names the reason, while the answer is the same for all reasons', async () => {
  const { id, companyId } = await newSubject(world);
  const [revoked, expired] = [await world.newKey(companyId), await world.newKey(companyId)];
  await world.keys.revoke(revoked.id);
  await world.sql.query('UPDATE api_key SET expires_at = now() WHERE id = $1', [expired.id]);
  const cases = [
    { key: 'nonsense', reason: 'malformed', keyId: null },
    { key: `sk_${'u'.repeat(43)}`, reason: 'unknown', keyId: null },
    { key: revoked.key, reason: 'revoked', keyId: revoked.id },
    { key: expired.key, reason: 'expired', keyId: expired.id },
  ];
  const answers: Answer[] = [];
  for (const { key, ...known } of cases) {
    const { requestId, headers } = ids();
    answers.push(await world.patch(key, id, {}, { headers }));
    expect(await lineOf(requestId)).toMatchObject({ status: 401, code: 'INVALID_API_KEY', agentId: id, ...known });
  }
  const comparable = answers.map(({ status, body }) => ({ status, body: { ...Object(body), requestId: '' } }));
  expect(comparable).toEqual(comparable.map(() => comparable[0]));
  expect(JSON.stringify(answers.map(({ text, headers }) => [text, headers]))).not.toMatch(
    /malformed|unknown|revoked|expired/,
  );
});

test('the log line of a key that ends while the body arrives has the reason `revoked`', async () => {
  const { id, key, keyId } = await newSubject(world);
  const { requestId } = ids();
  const request = { line: `PATCH /agents/${id}`, key, body: { name: 'Late' }, headers: [`X-Request-Id: ${requestId}`] };
  await sendSlowly(world.origin, request, () => world.keys.revoke(keyId));
  expect(await lineOf(requestId)).toMatchObject({ status: 401, code: 'INVALID_API_KEY', reason: 'revoked', keyId });
});

test('behind a trusted proxy the log line has the address that the proxy names', async () => {
  const { id, key } = await newSubject(world);
  const { origin } = await openAnotherServer(world, { trustedProxies: ['127.0.0.1'] });
  const { requestId, headers } = ids();
  await callsOf(origin).patch(key, id, {}, { headers: { ...headers, 'x-forwarded-for': '[2001:DB8::1]:443' } });
  expect(await lineOf(requestId)).toMatchObject({ status: 200, address: '2001:db8::1' });
});

test('the log has the same address for a path that cannot be decoded as for any other, whatever X-Forwarded-For is', async () => {
  const { origin } = await openAnotherServer(world, { trustedProxies: ['127.0.0.1', '10.0.0.0/8'] });
  const addressOf = async (path: string, forwardedFor: string) => {
    const { requestId, headers } = ids();
    await callsOf(origin).call('', `GET ${path}`, { headers: { ...headers, 'x-forwarded-for': forwardedFor } });
    const line: Record<string, unknown> = await lineOf(requestId);
    return line['address'];
  };
  const expected = new Map([
    ['192.0.2.1', '192.0.2.1'],
    ['203.0.113.9,, 192.0.2.1 , 10.0.0.7:80', '192.0.2.1'],
    ['10.0.0.8, 10.0.0.7', '10.0.0.8'],
    ['unknown', null],
    [' ,', '127.0.0.1'],
  ]);
  for (const [forwardedFor, address] of expected) {
    expect(await addressOf('/agents/%FF', forwardedFor), forwardedFor).toBe(address);
    expect(await addressOf('/nowhere', forwardedFor), forwardedFor).toBe(address);
  }
});

test('health probes are logged at level debug only', async () => {
  const { origin } = await openAnotherServer(world, { logLevel: 'debug' });
  for (const path of ['/health/live', '/health/ready']) {
    const [quiet, logged, later] = [ids(), ids(), ids()];
    await world.call('', `GET ${path}`, quiet);
    await callsOf(origin).call('', `GET ${path}`, logged);
    expect(await lineOf(logged.requestId)).toMatchObject({ level: 20, route: path, status: 200 });
    // This request is logged after the probe: once its line is there, one of the probe would be too.
    await world.call('', 'GET /nowhere', later);
    await lineOf(later.requestId);
    expect(world.logLines.filter((line) => line.includes(quiet.requestId))).toEqual([]);
  }
});

test('a failed probe is logged as an error with its cause', async () => {
  const { origin } = await openAnotherServer(world, { migrations: ['99990101000000_missing'] });
  const { requestId, headers } = ids();
  await callsOf(origin).call('', 'GET /health/ready', { headers });
  const err = { message: 'pending migrations: 99990101000000_missing' };
  expect(await lineOf(requestId)).toMatchObject({ level: 50, route: '/health/ready', status: 503, err });
});

test('a message that is no HTTP has a log line with the request id of its answer', async () => {
  const answer = await RawSocket.use(world.origin, (socket) => {
    socket.write('garbage\r\n\r\n');
    return socket.answer();
  });
  const [requestId, time] = [String(answer.headers['x-request-id']), expect.any(String)];
  const expected = { requestId, status: 400, code: 'MALFORMED_REQUEST', address: '127.0.0.1' };
  expect(await lineOf(requestId)).toEqual({ level: 30, time, ...expected, msg: 'malformed' });
});

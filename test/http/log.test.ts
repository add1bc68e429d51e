import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { untilWaiting, whileAgentLocked, whileLocked } from '../support/locks.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
let key: string;
let keyId: string;
let companyId: string;
let agentId: string;

beforeAll(async () => {
  ({ key, keyId, id: companyId } = await world.company());
  agentId = (await world.agent(companyId)).id;
});

type Line = Record<string, unknown>;

const lines = (): Line[] => world.logLines.map((line) => JSON.parse(line));

/** The log lines of a request, once its last line is written. */
async function linesOf(requestId: string): Promise<Line[]> {
  const isWritten = () => lines().some((line) => line['requestId'] === requestId && line['msg'] === 'request');
  await vi.waitUntil(isWritten, { timeout: 60_000 });
  return lines().filter((line) => line['requestId'] === requestId);
}

/** All members of the log line of a request. */
const line = (members: Line) => ({
  level: 30,
  time: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/),
  method: 'PATCH',
  route: '/agents/:id',
  code: null,
  ms: expect.any(Number),
  keyId: null,
  companyId: null,
  agentId: null,
  address: '127.0.0.1',
  msg: 'request',
  ...members,
});

const patch = (bearer: string, id: string, requestId: string, body: unknown = {}, calls = callsOf(world.origin)) =>
  calls.patch(bearer, id, body, { headers: { 'x-request-id': requestId } });

test('a request has one log line with exactly method, route, status, code, ms, address and the ids of request, key, company and agent', async () => {
  const requestId = randomUUID();
  await patch(key, agentId, requestId, { duration: 45 });
  expect(await linesOf(requestId)).toEqual([line({ requestId, status: 200, keyId, companyId, agentId })]);
});

test('a refused request has the same log line, with what is known of its caller', async () => {
  const ats = await world.ats(companyId);
  const cases = [
    { bearer: 'wrong', known: {}, status: 401, code: 'INVALID_API_KEY', reason: 'malformed' },
    { bearer: ats.key, known: { keyId: ats.keyId }, status: 400, code: 'COMPANY_ID_REQUIRED' },
    { bearer: key, known: { keyId, companyId }, status: 404, code: 'RESOURCE_NOT_FOUND' },
  ];
  for (const { bearer, known, ...refusal } of cases) {
    const [requestId, wanted] = [randomUUID(), randomUUID()];
    expect((await patch(bearer, wanted, requestId)).status).toBe(refusal.status);
    expect(await linesOf(requestId)).toEqual([line({ requestId, agentId: wanted, ...refusal, ...known })]);
  }
});

test('a request without a route has the same log line, and its path is not logged', async () => {
  const cases = [
    { path: `/secret-path-${randomUUID()}`, code: 'ROUTE_NOT_FOUND' },
    { path: `/agents/%zz${randomUUID()}`, code: 'MALFORMED_REQUEST' },
  ];
  for (const { path, code } of cases) {
    const requestId = randomUUID();
    const { status } = await world.send({ method: 'GET', path, headers: { 'x-request-id': requestId } });
    expect(await linesOf(requestId)).toEqual([line({ requestId, method: 'GET', route: null, status, code })]);
    expect(world.logLines.join('')).not.toContain(path);
  }
});

test('a client that disconnects before its answer has a log line without a status', async () => {
  const requestId = randomUUID();
  await whileAgentLocked(world, agentId, () =>
    RawSocket.use(world.origin, async (socket) => {
      const headers = ['Host: api', `Authorization: Bearer ${key}`, `X-Request-Id: ${requestId}`];
      const more = ['Content-Type: application/json', 'Content-Length: 15'];
      socket.write(`${head(`PATCH /agents/${agentId} HTTP/1.1`, ...headers, ...more)}{"duration":50}`);
      await untilWaiting(world);
      socket.reset();
      expect(await linesOf(requestId)).toEqual([line({ requestId, status: null, keyId, companyId, agentId })]);
    }),
  );
});

test('a client that disconnects within its body causes one log line at level info and no error', async () => {
  for (const leave of ['end', 'reset'] as const) {
    const requestId = randomUUID();
    await RawSocket.use(world.origin, async (socket) => {
      const headers = ['Host: api', `Authorization: Bearer ${key}`, `X-Request-Id: ${requestId}`];
      const more = ['Content-Type: application/json', 'Content-Length: 99', 'Expect: 100-continue'];
      socket.write(head(`PATCH /agents/${agentId} HTTP/1.1`, ...headers, ...more));
      await socket.answer();
      socket.write('{"name":');
      socket[leave]();
      await linesOf(requestId);
    });
    const status = expect.toSatisfy((value) => value === null || value === 400);
    const code = expect.toSatisfy((value) => value === null || String(value).startsWith('MALFORMED_'));
    expect(await linesOf(requestId)).toEqual([line({ requestId, status, code, keyId, companyId, agentId })]);
  }
});

test('a client that disconnects during the lookup of its key causes no error: the request is carried out, under the client’s address', async () => {
  const behindProxy = await openAnotherServer(world, { trustedProxies: ['127.0.0.1'] });
  const cases = [
    { origin: world.origin, address: '127.0.0.1' },
    { origin: behindProxy.origin, address: '192.0.2.7' },
  ];
  for (const { origin, address } of cases) {
    const requestId = randomUUID();
    const { id } = await world.agent(companyId);
    await whileLocked(world, 'LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE', [], () =>
      RawSocket.use(origin, async (socket) => {
        const headers = ['Host: api', `Authorization: Bearer ${key}`, `X-Request-Id: ${requestId}`];
        socket.write(head(`DELETE /agents/${id} HTTP/1.1`, ...headers, 'X-Forwarded-For: 192.0.2.7'));
        await untilWaiting(world);
        socket.reset();
        await linesOf(requestId);
      }),
    );
    const trail = 'SELECT caller_address FROM audit_entry WHERE agent_id = $1';
    await vi.waitUntil(async () => (await world.sql.query(trail, [id])).rowCount, { timeout: 60_000 });
    expect((await world.sql.query(trail, [id])).rows).toEqual([{ caller_address: address }]);
    expect(await linesOf(requestId)).toEqual([
      line({ requestId, method: 'DELETE', status: null, agentId: id, address }),
    ]);
  }
});

test('a 5xx has its cause in the log under the request id, and not in the answer', async () => {
  const requestId = randomUUID();
  const { origin } = await openAnotherServer(world, { limits: 'production' });
  const held = 'LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE';
  const answer = await whileLocked(world, held, [], () => patch(key, agentId, requestId, {}, callsOf(origin)));
  const message = expect.stringContaining('lock timeout');
  const err = { type: 'PrismaClientKnownRequestError', sqlState: '55P03', message };
  const shown = { level: 50, status: 503, code: 'DATABASE_UNAVAILABLE', err };
  expect(await linesOf(requestId)).toEqual([line({ requestId, agentId, ...shown })]);
  expect(answer.text).not.toMatch(/lock|SELECT|55P03|Prisma/);
});

test('the log holds no key, body or query value, and the history no key', async () => {
  const { sql, logLines } = world;
  const ats = await world.ats(companyId);
  const secrets = {
    body: `secret-${randomUUID()}`,
    query: `secret-${randomUUID()}`,
    header: `secret-${randomUUID()}`,
    wrongKey: `sk_${'w'.repeat(43)}`,
  };
  const ask = (bearer: string, body: unknown, query = '') =>
    world.patch(bearer, agentId, body, { query, headers: { 'if-match': `*`, 'x-other': secrets.header } });
  await ask(key, { name: secrets.body, metadata: { [secrets.body]: secrets.body } });
  await ask(key, { [secrets.body]: 1, name: 7 }, `?companyId=${secrets.query}&${secrets.query}=1`);
  await ask(ats.key, {}, `?companyId=${secrets.query}`);
  await ask(secrets.wrongKey, { name: secrets.body });
  await world.send({ path: `/agents/${agentId}?key=${key}`, headers: { authorization: key }, body: secrets.body });
  const confused = await patch(key, agentId, `id-${key}`, { duration: 46 });
  expect(confused).toMatchObject({
    status: 200,
    headers: { 'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/) },
  });
  const entries = await sql.query('SELECT FROM agent_version WHERE strpos(request_id, $1) > 0', [key]);
  expect(entries.rows).toEqual([]);

  // A refusal by PostgreSQL, whose message holds the values.
  await sql.query(`ALTER TABLE agent ADD CONSTRAINT short CHECK (name NOT LIKE 'secret%') NOT VALID`);
  const requestId = randomUUID();
  const { id } = await world.agent(companyId);
  const answer = await patch(key, id, requestId, { name: secrets.body });
  await sql.query('ALTER TABLE agent DROP CONSTRAINT short');
  expect(answer).toMatchObject({ status: 500, body: { code: 'INTERNAL_ERROR' } });
  expect(answer.text).not.toMatch(/short|constraint|secret/);
  const [cause, request, ...more] = await linesOf(requestId);
  const err = { sqlState: '23514' };
  expect(cause).toMatchObject({ level: 50, msg: 'INTERNAL_ERROR', err, stack: expect.any(String) });
  expect(request).toMatchObject({ level: 50, status: 500, code: 'INTERNAL_ERROR', err });
  expect(request).not.toHaveProperty('stack');
  expect(more).toEqual([]);

  const log = logLines.join('');
  for (const secret of [key, ats.key, ...Object.values(secrets)]) expect(log).not.toContain(secret);
});

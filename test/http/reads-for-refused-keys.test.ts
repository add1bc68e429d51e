import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { insertLargeAgent, openCounted as openCountedFor, type Reads } from '../support/agent-reads.ts';
import { connect } from '../support/connection.ts';
import { openWorld } from '../support/world.ts';

/**
 * PostgreSQL counts the reads of the table agent. Only the server under test may read it, so the agents are created on
 * a connection that reports its counts before a test begins.
 */
const world = await openWorld();
const observer = await connect(world.ownerUrl);
let company: Awaited<ReturnType<typeof world.company>>;
let agentId: string;

beforeAll(async () => {
  company = await world.company();
  agentId = await insertLargeAgent(observer, company.id);
});

afterAll(() => observer.end());

const openCounted = () => openCountedFor(world, observer, company.id);

const nothing: Reads = { table: 0, toast: 0 };

const set = async (change: string) => {
  const { key, id } = await world.newKey(company.id);
  await world.sql.query(`UPDATE api_key SET ${change} WHERE id = $1`, [id]);
  return { key, query: '' };
};

const query = (companyId: string) => `?companyId=${companyId}`;

/** A refused key and the query that it is sent with. */
const refused: Readonly<Record<string, { make: () => Promise<{ key: string; query: string }>; status: number }>> = {
  unknown: { make: async () => ({ key: `sk_${'0'.repeat(43)}`, query: '' }), status: 401 },
  revoked: { make: () => set('revoked_at = now()'), status: 401 },
  expired: { make: () => set('expires_at = now()'), status: 401 },
  suspended: { make: () => set('suspended_at = now()'), status: 401 },
  'outside the allow-list': { make: () => set(`allowed_ips = '{192.0.2.1,192.0.2.0/24,2001:db8::/32}'`), status: 403 },
  'without the scope': { make: () => set(`scopes = '{}'`), status: 403 },
  'of an integration that manages no company': {
    make: async () => ({ key: (await world.ats()).key, query: query(company.id) }),
    status: 403,
  },
  'of an integration that manages another company': {
    make: async () => ({ key: (await world.ats((await world.company()).id)).key, query: query(company.id) }),
    status: 403,
  },
  'of an integration, for a company that does not exist': {
    make: async () => ({ key: (await world.ats(company.id)).key, query: query(randomUUID()) }),
    status: 403,
  },
  'of an integration, without a company': {
    make: async () => ({ key: (await world.ats(company.id)).key, query: '' }),
    status: 400,
  },
  'of an integration, for two companies': {
    make: async () => ({
      key: (await world.ats(company.id)).key,
      query: `${query(company.id)}&companyId=${company.id}`,
    }),
    status: 400,
  },
};

test.for(Object.entries(refused))(
  'no block of a large agent is read for a refused key: %s',
  async ([, { make, status }]) => {
    const server = await openCounted();
    const { key, query: asked } = await make();
    const reads = await server.readsDuring(async () => {
      const lines = ['PATCH', 'GET', 'DELETE'].map((method) => `${method} /agents/${agentId}${asked}`);
      // Many at once, so that they are looked up in one batch.
      const calls = Array(12).fill(lines).flat();
      const answers = await Promise.all(calls.map((line) => server.call(key, line, { body: {} })));
      expect(answers.map((answer) => answer.status)).toEqual(calls.map(() => status));
    });
    expect(reads).toEqual(nothing);
  },
);

test('a large agent is read once for a valid key, even if other keys of the batch are refused', async () => {
  const server = await openCounted();
  const get = (key: string, asked = '') => server.call(key, `GET /agents/${agentId}${asked}`);
  const ats = await world.ats(company.id);
  const listed = await world.keyFrom(company.id, '192.0.2.1', '2001:db8::/32', '127.0.0.0/8');
  const reads: Reads[] = [];
  for (const [key, asked] of [[company.key], [ats.key, query(company.id)], [listed]] as const) {
    reads.push(await server.readsDuring(async () => expect((await get(key, asked)).status).toBe(200)));
  }
  for (const { table, toast } of reads) {
    expect(table).toBeGreaterThan(0);
    expect(toast).toBeGreaterThan(10);
  }

  const bad = await Promise.all(['revoked_at = now()', `scopes = '{}'`, `allowed_ips = '{192.0.2.1}'`].map(set));
  const beside = await server.readsDuring(async () => {
    const answers = await Promise.all([...bad.map(({ key }) => key), company.key].map((key) => get(key)));
    expect(answers.map(({ status }) => status)).toEqual([401, 403, 403, 200]);
  });
  // Compared with a later read, because PostgreSQL opens an index once for each connection.
  expect(beside).toEqual(reads.at(-1));
});

test('after its first 429 in a window nothing is read for a key over its rate limit, and its agent is found again once the limit is raised', async () => {
  const server = await openCounted();
  const key = await world.limitedKey(company.id, { perMinute: 1 });
  const get = () => server.call(key, `GET /agents/${agentId}`);
  expect((await get()).status).toBe(200);
  expect((await get()).status).toBe(429);
  const reads = await server.readsDuring(async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, get));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 429));
  });
  expect(reads).toEqual(nothing);

  await world.sql.query('UPDATE api_key SET per_minute = 1000 WHERE per_minute = 1');
  expect(await get()).toMatchObject({ status: 200, body: { id: agentId, name: 'Large' } });
  const missing = await server.call(key, `GET /agents/${randomUUID()}`);
  expect(missing).toMatchObject({ status: 404, body: { code: 'RESOURCE_NOT_FOUND' } });
});

import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { type Answer, send } from '../support/http.ts';
import { loseStandby, openServer, openSession, pool } from '../support/lost-standby.ts';
import { build } from '../support/process.ts';
import { unlessTooSlow } from '../support/too-slow.ts';

beforeAll(build);

test('while the synchronous standby is lost writes are 503, the sessions that wait for it never exceed the pool, and reads are served', () =>
  unlessTooSlow(async ({ timed, atEnd }) => {
    const { admin, owner, origin, key } = await openServer(atEnd);
    const [watch, rows] = [await openSession(admin), await openSession(owner)];
    const call = (line: string, body?: object, headers: Record<string, string> = {}) => {
      const [method = '', path = ''] = line.split(' ');
      const type = body && { 'content-type': 'application/json' };
      const sent = { method, path, headers: { ...headers, ...type, authorization: `Bearer ${key}` } };
      return send(origin, body ? { ...sent, body: JSON.stringify(body) } : sent);
    };
    const made = await Promise.all(Array.from({ length: 6 }, () => call('POST /agents', draft)));
    const [id = '', ...others] = made.map(({ body }) => String(Object(body).id));
    await call(`PATCH /agents/${id}`, { duration: 31 });

    const endOutage = await loseStandby(admin);
    const counts: { all: number; waiting: number }[] = [];
    const refused: Answer[] = [];
    const write = async (...request: Parameters<typeof call>) => {
      refused.push(await call(...request));
      counts.push((await watch.query(sessions)).rows[0]);
    };
    const idempotencyHeader = { 'idempotency-key': randomUUID() };
    const keep = () => call(`PATCH /agents/${id}`, { metadata: { kept: true } }, idempotencyHeader);
    const ofEachKind = (round: number) => [
      ...[id, ...others].map((each) => write(`PATCH /agents/${each}`, { metadata: { [`k${round}`]: round } })),
      write(`PATCH /agents/${id}`, { metadata: { kept: true } }, idempotencyHeader),
      ...Array.from({ length: 2 * pool }, () => write('POST /agents', draft)),
      ...others.map((each) => write(`DELETE /agents/${each}`)),
      write(`POST /agents/${id}/versions/1/restore`),
      write('POST /webhooks', { url: 'https://hooks.example.com/agents', events: ['*'] }),
    ];
    let isOver = false;
    const reads: Answer[] = [];
    const read = (line: string) => timed(call(line));
    const reading = (async () => {
      while (!isOver) reads.push(await read(`GET /agents/${id}`), await read('GET /agents?limit=2'));
    })();
    reading.catch(() => {});
    atEnd(async () => {
      isOver = true;
    });
    for (let round = 0; round < 3 * pool; round += 1) {
      await Promise.all(ofEachKind(round));
      reads.push(await read('GET /health/live'), await read('GET /health/ready'));
    }
    isOver = true;
    await reading;

    for (const answer of refused) {
      expect(answer).toMatchObject({ status: 503, body: { code: 'DATABASE_UNAVAILABLE' } });
      expect(answer.headers['retry-after']).toBe('1');
    }
    const waiting = counts.map((count) => count.waiting);
    expect(Math.max(...waiting)).toBe(pool - 1);
    expect(Math.min(...waiting)).toBeGreaterThan(0);
    expect(Math.max(...counts.map(({ all }) => all))).toBeLessThanOrEqual(pool);
    expect(new Set(reads.map(({ status }) => status))).toEqual(new Set([200]));

    await endOutage();
    // A change, because a kept answer is repeated once its commit is over, before writes are accepted again.
    const change = () => call(`PATCH /agents/${id}`, { duration: 33 });
    await vi.waitUntil(async () => (await change()).status === 200, { timeout: 60_000, interval: 20 });
    expect(await keep()).toMatchObject({ status: 200 });
    const after = await Promise.all([
      timed(call(`PATCH /agents/${id}`, { duration: 32 })),
      timed(call('POST /agents', draft)),
      timed(call(`POST /agents/${id}/versions/1/restore`)),
      timed(keep()),
    ]);
    expect(after.map(({ status }) => status)).toEqual([200, 201, 200, 200]);
    expect(after[3]?.headers['idempotent-replayed']).toBe('true');
    for (const twice of appliedTwice) expect((await rows.query(twice)).rows).toEqual([]);
    const kept = `SELECT FROM agent_version WHERE agent_id = $1 AND snapshot->'metadata' ? 'kept'
                   AND 'metadata' = ANY(changed_fields) AND restored_from IS NULL`;
    expect((await rows.query(kept, [id])).rowCount).toBe(1);
  }));

test('a server that is started while the synchronous standby is lost refuses writes, and leaves no session that waits for it', () =>
  unlessTooSlow(async ({ timed, atEnd }) => {
    const { admin, start, origin: first, key } = await openServer(atEnd);
    const watch = await openSession(admin);
    const call = (origin: string, method: string, path: string, body?: object) => {
      const headers = { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) };
      return send(origin, { method, path, headers, ...(body && { body: JSON.stringify(body) }) });
    };
    const made = await Promise.all(Array.from({ length: 2 * pool }, () => call(first, 'POST', '/agents', draft)));
    const ids = made.map(({ body }) => String(Object(body).id));
    await loseStandby(admin);
    const [one = '', ...others] = ids;
    expect(await call(first, 'PATCH', `/agents/${one}`, { duration: 31 })).toMatchObject({ status: 503 });
    const waiting = async () => (await watch.query(sessions)).rows[0].waiting;
    const before = await waiting();
    expect(before).toBeGreaterThan(0);

    const { origin: second } = await start();
    const change = (id: string) => call(second, 'PATCH', `/agents/${id}`, { duration: 32 });
    const [read, ...answers] = await Promise.all([
      timed(call(second, 'GET', `/agents/${one}`)),
      ...others.map(change),
      ...others.map(change),
    ]);
    expect(read).toMatchObject({ status: 200, body: { duration: 30 } });
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 503, body: { code: 'DATABASE_UNAVAILABLE' } });
      expect(answer.headers['retry-after']).toBe('1');
    }
    expect(await waiting()).toBe(before);
  }));

const draft = { name: 'Interviewer', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };

/** The requests that were applied twice, or in part. */
const appliedTwice = [
  'SELECT request_id FROM agent_version WHERE request_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1',
  `SELECT a.id FROM agent a LEFT JOIN agent_version v ON v.agent_id = a.id
    GROUP BY a.id HAVING count(v) <> a.version OR max(v.version) <> a.version`,
  `SELECT agent_id FROM audit_entry WHERE action = 'agent.deleted' GROUP BY 1 HAVING count(*) > 1`,
  `SELECT id FROM agent WHERE deleted_at IS NOT NULL
   EXCEPT SELECT agent_id FROM audit_entry WHERE action = 'agent.deleted'`,
];

/** The sessions of the server, and those that wait for the standby. */
const sessions = `
  SELECT count(*)::int AS all, (count(*) FILTER (WHERE wait_event = 'SyncRep'))::int AS waiting
    FROM pg_stat_activity WHERE usename = 'agents_server'`;

import { describe, expect, test, vi } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { run } from '../support/connection.ts';
import { openLink } from '../support/database-link.ts';
import { withDatabase } from '../support/global-setup.ts';
import { type Answer, send } from '../support/http.ts';
import { untilWaiting, whileAgentLocked, whileLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ limits: 'production' });
const { key, companyId, id: agentId } = await newSubject(world);

const patch = (origin: string, id = agentId, body: object = {}) =>
  send(origin, {
    path: `/agents/${id}`,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

const get = (origin: string, path: string) => send(origin, { method: 'GET', path });

/**
 * The answer holds the fixed text of the code, and no words of SQL or of a library. `test/trust/postgres.test.ts`
 * checks how long it takes.
 */
function expectUnavailable(answer: Answer, instance = `/agents/${agentId}`): void {
  expectProblem(answer, { code: 'DATABASE_UNAVAILABLE', instance });
  expect(answer.headers['retry-after']).toMatch(/^[1-9]\d?$/);
}

/** Sends a PATCH until it is answered 200: on a busy machine some take longer than the time limits. */
const served = (origin: string, id = agentId, body: object = {}) =>
  vi.waitUntil(
    async () => {
      const answer = await patch(origin, id, body);
      return answer.status === 200 && answer;
    },
    { timeout: 60_000, interval: 50 },
  );

/** Waits until the server answers 200 again, without a restart. */
async function expectRecovery(origin: string): Promise<void> {
  await served(origin);
  await vi.waitUntil(async () => (await get(origin, '/health/ready')).status === 200, {
    timeout: 60_000,
    interval: 50,
  });
}

async function expectOutage(origin: string): Promise<void> {
  const patches = Array.from({ length: 30 }, () => patch(origin));
  const [ready, live] = await Promise.all([get(origin, '/health/ready'), get(origin, '/health/live')]);
  expectUnavailable(ready, '/health/ready');
  expect(live).toMatchObject({ status: 200, body: { status: 'ok' } });
  for (const answer of await Promise.all(patches)) expectUnavailable(answer);
}

/** Runs SQL in the database `postgres`, because the world's own may refuse connections. */
const onServer = (sql: (database: string) => string) =>
  run(withDatabase(world.ownerUrl, 'postgres'), sql(new URL(world.databaseUrl).pathname.slice(1)));

/** Terminates all connections of the servers. */
const terminate = () =>
  onServer(
    (database) =>
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = '${database}' AND application_name = 'interview-agents-api'`,
  );

describe('connections that PostgreSQL ends', () => {
  test('while requests run: each is answered 200 or 503, and later requests 200', async () => {
    const answers = Promise.all(
      Array.from({ length: 60 }, async (_, position) => {
        if (position % 20 === 10) await terminate();
        return patch(world.origin, agentId, { metadata: { position } });
      }),
    );
    for (const answer of await answers) {
      if (answer.status !== 200) expectUnavailable(answer);
    }
    await expectRecovery(world.origin);
  });

  test('while no request runs: the next request is answered 200 or 503, and later requests 200', async () => {
    await terminate();
    const answer = await patch(world.origin);
    if (answer.status !== 200) expectUnavailable(answer);
    await expectRecovery(world.origin);
  });
});

describe.concurrent('a row that another transaction has locked', () => {
  test('its agent answers 503 until it is unlocked and nothing is changed; other agents are served', async () => {
    const { id } = await world.agent(companyId);
    const before = await world.row(id);
    await whileAgentLocked(world, id, async () => {
      const blocked = patch(world.origin, id, { duration: 45 });
      for (let time = 0; time < 20; time += 1) {
        const other = await served(world.origin, agentId, { metadata: { time } });
        expect(other).toMatchObject({ body: { metadata: { time } } });
      }
      expectUnavailable(await blocked, `/agents/${id}`);
    });
    expect(await world.row(id)).toBe(before);
    expect(await world.history(id)).toHaveLength(1);
    expect(await served(world.origin, id, { duration: 50 })).toMatchObject({ body: { duration: 50 } });
  });

  test('30 changes and 30 deletions of its agent are each 503 while it is locked', async () => {
    const { id } = await world.agent(companyId);
    await whileAgentLocked(world, id, async () => {
      const changes = Array.from({ length: 30 }, (_, position) => patch(world.origin, id, { metadata: { position } }));
      const deletions = changes.map(() => world.call(key, `DELETE /agents/${id}`));
      for (const answer of await Promise.all([...changes, ...deletions])) expectUnavailable(answer, `/agents/${id}`);
    });
    await expectRecovery(world.origin);
  });
});

describe('connections that are all busy', () => {
  test('a request that waits for one is 503, health/live is 200, and later requests are served', async () => {
    const { origin } = await openAnotherServer(world, { limits: 'patient', connections: 1, connectionLimit: 1_000 });
    const { id } = await world.agent(companyId);
    const before = await world.row(agentId);
    await whileLocked(world, 'LOCK TABLE agent_version IN SHARE MODE', [], async (release) => {
      const blocked = patch(origin, id, { duration: 45 });
      await untilWaiting(world);
      const waiting = Array.from({ length: 20 }, (_, at) => patch(origin, agentId, { metadata: { waiting: at } }));
      expect(await get(origin, '/health/live')).toMatchObject({ status: 200 });
      for (const answer of await Promise.all(waiting)) expectUnavailable(answer);
      await release();
      expect(await blocked).toMatchObject({ status: 200, body: { duration: 45 } });
    });
    expect(await world.row(agentId)).toBe(before);
    await expectRecovery(origin);
  });

  test('a locked table makes every request 503 until it is unlocked', async () => {
    await whileLocked(world, 'LOCK TABLE api_key, _prisma_migrations IN ACCESS EXCLUSIVE MODE', [], () =>
      expectOutage(world.origin),
    );
    await expectRecovery(world.origin);
  });
});

describe('without a database requests and health/ready are 503, health/live is 200, and requests are served again without a restart', () => {
  test('a database that refuses connections', async () => {
    await onServer((database) => `ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
    try {
      await terminate();
      await expectOutage(world.origin);
    } finally {
      await onServer((database) => `ALTER DATABASE ${database} ALLOW_CONNECTIONS true`);
    }
    await expectRecovery(world.origin);
  });

  test('a database that cannot be reached, or does not answer', async () => {
    type Link = Awaited<ReturnType<typeof openLink>>;
    const outages: readonly ((link: Link) => { begin: () => unknown; end: () => unknown })[] = [
      ({ cutOff, repair }) => ({ begin: cutOff, end: repair }),
      ({ freeze, thaw }) => ({ begin: freeze, end: thaw }),
    ];
    const recovered = outages.map(async (outageOf) => {
      const link = await openLink(world.databaseUrl);
      const { origin } = await openAnotherServer(world, { databaseUrl: link.url });
      const { begin, end } = outageOf(link);
      await expectRecovery(origin);
      await begin();
      await expectOutage(origin);
      await end();
      await expectRecovery(origin);
    });
    await Promise.all(recovered);
  });
});

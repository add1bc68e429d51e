import { expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { type Endpoint, pathOf, withKey } from '../support/endpoints.ts';
import { untilNoneWaiting, whileLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { idsFor, named } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** These need only the tables of agents and of keys. */
const fromAgents = ['GET /agents/:id', 'GET /agents', 'GET /api-key'];
const isFromAgents = ({ line }: Endpoint) => fromAgents.includes(line);

const others = 'agent_version, company, company_phone_number, webhook_endpoint, webhook_delivery';

/** All rows that a request writes, beside the time of the last use of its key. */
async function everything(): Promise<unknown[]> {
  const tables = ['agent', 'agent_version', 'webhook_endpoint', 'webhook_delivery', 'idempotency_key', 'audit_entry'];
  const all = tables.map((table) => world.sql.query(`SELECT to_jsonb(t)::text AS row FROM ${table} t ORDER BY 1`));
  return (await Promise.all(all)).map(({ rows }) => rows);
}

test.for([
  { tables: others, endpoints: withKey.filter((endpoint) => !isFromAgents(endpoint)) },
  { tables: 'agent, api_key', endpoints: withKey.filter(isFromAgents) },
])(
  'while the database does not answer in time, every endpoint answers 503 and nothing is changed: $tables',
  async ({ tables, endpoints }) => {
    const agent = await newSubject(world);
    // As many as requests, so that each waits for a lock and none for a connection.
    const { origin } = await openAnotherServer(world, { limits: 'production', connections: 20 });
    const requests: { line: string; status: number; body?: object }[] = [];
    for (const { line, status, body } of endpoints) {
      requests.push({ line: named(line, await idsFor(world, line, agent)), status, ...(body && { body }) });
    }
    const before = await everything();
    await whileLocked(world, `LOCK TABLE ${tables}`, [], async () => {
      const sent = requests.map(({ line, body }) => callsOf(origin).call(agent.key, line, { body }));
      for (const [at, answer] of (await Promise.all(sent)).entries()) {
        expectProblem(answer, { code: 'DATABASE_UNAVAILABLE', instance: pathOf(requests[at]?.line ?? '') });
        expect(answer.headers['retry-after']).toBe('1');
      }
      // A statement may still wait after its request was answered and would then be committed, as documented.
      await untilNoneWaiting(world);
    });
    expect(await everything()).toEqual(before);
    for (const { line, status, body } of requests) {
      expect([line, (await world.call(agent.key, line, { body })).status]).toEqual([line, status]);
    }
  },
);

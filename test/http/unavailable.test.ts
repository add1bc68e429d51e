import { expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { forAnyCompany, forCompany, onAgent, pathOf } from '../support/endpoints.ts';
import { untilNoneWaiting, whileLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** These need only tables that are not locked below. */
const fromAgents = ['GET /agents/:id', 'GET /agents', 'DELETE /agents/:id', 'GET /api-key'];

test('while the database does not answer in time, every endpoint answers 503 and nothing is changed', async () => {
  const agent = await newSubject(world);
  const { origin } = await openAnotherServer(world, { limits: 'production' });
  const before = await storedAgent(world, agent.id);
  const endpoints = [...onAgent, ...forCompany, ...forAnyCompany].filter(({ line }) => !fromAgents.includes(line));
  await whileLocked(world, 'LOCK TABLE agent_version, company, company_phone_number', [], async () => {
    const answers = await Promise.all(
      endpoints.map(({ line, body }) => callsOf(origin).call(agent.key, line.replace(':id', agent.id), { body })),
    );
    for (const [at, answer] of answers.entries()) {
      const instance = pathOf(endpoints[at]?.line ?? '').replace(':id', agent.id);
      expectProblem(answer, { code: 'DATABASE_UNAVAILABLE', instance });
      expect(answer.headers['retry-after']).toBe('1');
    }
    // A statement may still wait after its request was answered and would then be committed, as documented.
    await untilNoneWaiting(world);
  });
  expect(await storedAgent(world, agent.id)).toEqual(before);
  for (const { line, status, body } of endpoints) {
    expect((await world.call(agent.key, line.replace(':id', agent.id), { body })).status).toBe(status);
  }
});

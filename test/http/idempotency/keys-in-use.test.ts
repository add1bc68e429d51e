import { describe, expect, test } from 'vitest';
import { longest } from '../../../src/http/deadline.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import { inOneBatch, untilWaiting, whileLocked } from '../../support/locks.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { agentAtTwo, everythingOf, insertKeptAnswer, newKey, retriables, sendKeyed } from '../../support/retry.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { statementLimit, unlessTooSlow } from '../../support/too-slow.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

// A fast machine refuses a request shortly before its deadline; one that is answered after `longest` was on a slow machine.

/** Few enough to be written within the time limit of a request, also on a slow machine. */
const eight = Array.from({ length: 8 }, (_, at) => at);

/** A server for each kind of request, so that the long waits overlap and no other request comes between. */
const cases = [];
// One after the other and with few connections: a PostgreSQL has 100 by default, and a busy machine starts no more in time.
for (const [kind, make] of Object.entries(retriables)) {
  cases.push({ kind, make, own: await openWorld({ limits: 'production', connections: 3 }) });
}

test.concurrent.for(cases)(
  'a request whose idempotency key is in use for longer than its deadline answers 409, and no other request of the batch does: $kind',
  ({ make, own }, { onTestFinished }) =>
    unlessTooSlow(
      async ({ timed }) => {
        const hurried = { ...own, ...callsOf(own.origin, timed) };
        const refused = { ...own, ...callsOf(own.origin, (answer) => timed(answer, longest)) };
        const agent = await agentAtTwo(hurried);
        const neighbours: string[] = [];
        for (const _ of eight) neighbours.push((await own.agent(agent.companyId)).id);
        const request = make(agent, await own.phoneNumber(agent.companyId));
        const instance = request.line.split(' ')[1] ?? '';
        const key = newKey();
        const before = await storedAgent(own, agent.id);
        await whileLocked(own, insertKeptAnswer, [agent.keyId, key, agent.id], async () => {
          const waiting = sendKeyed(refused, agent, request, key);
          await Promise.race([untilWaiting(own), waiting]);
          const patches = neighbours.map((id) => hurried.patch(agent.key, id, { name: 'Neighbour' }));
          expectProblem(await waiting, { code: 'IDEMPOTENCY_KEY_IN_USE', instance });
          expect((await Promise.all(patches)).map(({ status }) => status)).toEqual(eight.map(() => 200));
        });
        expect(await storedAgent(own, agent.id)).toEqual(before);
        expect((await sendKeyed(hurried, agent, request, key)).status).toBeLessThan(300);
      },
      statementLimit,
      onTestFinished,
    ),
);

/** The requests that wait for the row of an agent. */
const changes = cases.filter(({ kind }) => kind !== 'a creation');

// In a suite of its own, so that it begins when the servers of the cases have no other request.
describe('a change whose twin is under way past its deadline, and holds the row of the agent', () => {
  test.concurrent.for(changes)('is 503 and changes nothing: $kind', ({ make, own }, { onTestFinished }) =>
    unlessTooSlow(
      async ({ timed }) => {
        const hurried = { ...own, ...callsOf(own.origin, timed) };
        const agent = await agentAtTwo(hurried);
        const request = make(agent, await own.phoneNumber(agent.companyId));
        const instance = request.line.split(' ')[1] ?? '';
        const key = newKey();
        const before = await everythingOf(own, agent.companyId);
        const holdKey = () =>
          whileLocked(own, insertKeptAnswer, [agent.keyId, key, agent.id], async () => {
            expectProblem(await sendKeyed(own, agent, request, key), { code: 'DATABASE_UNAVAILABLE', instance });
          });
        await whileLocked(own, 'SELECT FROM agent WHERE id = $1 FOR NO KEY UPDATE', [agent.id], holdKey);
        expect(await everythingOf(own, agent.companyId)).toEqual(before);
        expect((await sendKeyed(hurried, agent, request, key)).status).toBeLessThan(300);
      },
      statementLimit,
      onTestFinished,
    ),
  );
});

test.for(Object.entries(retriables))(
  'a request that waits for an idempotency key in use answers 422 once a different request with that key is committed: %s',
  async ([, make]) => {
    const agent = await agentAtTwo(world);
    const request = make(agent, await world.phoneNumber(agent.companyId));
    const instance = request.line.split(' ')[1] ?? '';
    const key = newKey();
    const answer = await whileLocked(world, insertKeptAnswer, [agent.keyId, key, agent.id], async (release) => {
      const waiting = sendKeyed(world, agent, request, key);
      await untilWaiting(world);
      await release('COMMIT');
      return await waiting;
    });
    expectProblem(answer, { code: 'IDEMPOTENCY_KEY_REUSED', instance });
  },
);

test('idempotency keys that stay in use fail their own requests, and no others of the batch', async () => {
  const { origin } = await openAnotherServer(world, { limits: 'production' });
  await unlessTooSlow(async ({ timed }) => {
    const refused = { ...world, ...callsOf(origin, (answer) => timed(answer, longest)) };
    const hurried = { ...world, ...callsOf(origin, timed) };
    const agent = await newSubject(world);
    const neighbours = await Promise.all(eight.map(() => world.agent(agent.companyId)));
    const request = { line: `PATCH /agents/${agent.id}`, body: { name: 'In use' } };
    const keys = [newKey(), newKey(), newKey()];
    const before = await storedAgent(world, agent.id);
    const insertAll = insertKeptAnswer.replace('$2', 'unnest($2::text[])');
    const answers = await whileLocked(world, insertAll, [agent.keyId, keys, agent.id], () =>
      inOneBatch(hurried, agent, () =>
        Promise.all([
          ...keys.map((key) => sendKeyed(refused, agent, request, key)),
          ...neighbours.map(({ id }) => hurried.patch(agent.key, id, { name: 'Neighbour' })),
        ]),
      ),
    );
    for (const held of answers.splice(0, keys.length)) {
      expectProblem(held, { code: 'IDEMPOTENCY_KEY_IN_USE', instance: `/agents/${agent.id}` });
    }
    expect(answers.map(({ status }) => status)).toEqual(neighbours.map(() => 200));
    expect((await storedAgent(world, agent.id)).row).toEqual({
      ...before.row,
      duration: 99,
      version: 2,
      updated_at: expect.anything(),
    });
  });
});

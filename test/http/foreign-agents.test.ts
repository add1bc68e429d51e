import { afterAll, expect, test } from 'vitest';
import { insertLargeAgent, openCounted } from '../support/agent-reads.ts';
import { connect } from '../support/connection.ts';
import { onAgent, pathOf } from '../support/endpoints.ts';
import { whileLocked } from '../support/locks.ts';
import { expectProblem } from '../support/problem.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

/** What a company can learn of an agent of another company whose id it knows: nothing, also by the time of the answers. */
const world = await openWorld({ docs: false });
const observer = await connect(world.ownerUrl);
afterAll(() => observer.end());

const lockHistory = 'LOCK TABLE agent_version IN ACCESS EXCLUSIVE MODE';
const largeQuestions = Array.from({ length: 50 }, (_, at) => `${at} `.repeat(500));

test('of a large agent of another company no large value is read, on any route and with any kind of key', async () => {
  const [own, other] = [await world.company(), await world.company()];
  const id = await insertLargeAgent(observer, other.id);
  const number = await world.phoneNumber(own.id);
  const listed = await world.keyFrom(own.id, '127.0.0.1');
  // The lookup does not evaluate this form, so that the agent is read in another statement.
  await world.sql.query(`UPDATE api_key SET allowed_ips = '{::ffff:127.0.0.1}' WHERE allowed_ips = '{127.0.0.1}'`);
  const ats = await world.ats(own.id, other.id);
  const keys = [
    [own.key, ''],
    [listed, ''],
    [ats.key, `companyId=${own.id}`],
  ] as const;
  const requests = [
    ...onAgent.map(({ line, body }) => ({ line: line.replace(':id', id), body, headers: {} })),
    { line: `PATCH /agents/${id}`, body: {}, headers: { 'idempotency-key': 'first' } },
    { line: `POST /agents/${id}/versions/1/restore`, body: undefined, headers: { 'idempotency-key': 'second' } },
    { line: `PATCH /agents/${id}`, body: { companyPhoneNumberId: number }, headers: {} },
    { line: `PATCH /agents/${id}?dryRun=true`, body: { companyPhoneNumberId: number }, headers: {} },
  ];
  const server = await openCounted(world, observer, own.id);
  for (const [key, query] of keys) {
    for (const { line, body, headers } of requests) {
      const asked = query === '' ? line : `${line}${line.includes('?') ? '&' : '?'}${query}`;
      const { toast } = await server.readsDuring(async () => {
        const answer = await server.call(key, asked, { body, headers });
        expectProblem(answer, { code: 'RESOURCE_ACCESS_DENIED', instance: pathOf(line) });
      });
      expect({ asked, toast }).toEqual({ asked, toast: 0 });
    }
  }
  const ofOwner = await server.readsDuring(() => server.call(other.key, `GET /agents/${id}`));
  expect(ofOwner.toast).toBeGreaterThan(10);
});

test('requests for a large agent of another company wait for no other than those for a small one', async () => {
  const [own, other] = [await world.company(), await world.company()];
  const { id } = await world.agent(other.id, { questions: largeQuestions });
  expect((await world.call(other.key, `GET /agents/${id}`)).status).toBe(200);
  expect((await world.call(own.key, `GET /agents/${id}`)).status).toBe(403);
  const get = head(`GET /agents/${id} HTTP/1.1`, 'Host: api', `Authorization: Bearer ${own.key}`);
  // Of large requests of one key, two run and fifty wait.
  await RawSocket.useMany(world.origin, 60, async (sockets) => {
    await whileLocked(world, 'LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE', [], async (release) => {
      for (const socket of sockets) socket.write(get);
      // Answered without a lookup; the requests above have been read before.
      expect((await world.call('malformed', `GET /agents/${id}`)).status).toBe(401);
      await release();
    });
    const answers = await Promise.all(sockets.map((socket) => socket.answer()));
    expect(answers.map(({ status }) => status)).toEqual(sockets.map(() => 403));
  });
});

test('a restore of another company’s agent, and of a deleted one, is refused without waiting for the history', async () => {
  const [own, other] = [await world.company(), await world.company()];
  const [foreign, deleted] = [await world.agent(other.id), await world.agent(own.id)];
  await world.deleteAgent(deleted.id);
  await whileLocked(world, lockHistory, [], async () => {
    for (const headers of [{}, { 'idempotency-key': 'restore' }]) {
      for (const [id, code] of [
        [foreign.id, 'RESOURCE_ACCESS_DENIED'],
        [deleted.id, 'RESOURCE_NOT_FOUND'],
      ] as const) {
        const path = `/agents/${id}/versions/1/restore`;
        expectProblem(await world.call(own.key, `POST ${path}`, { headers }), { code, instance: path });
      }
    }
  });
});

test('the kept answer to a change is repeated after its agent was deleted; another request with its key is 422', async () => {
  const [own, other] = [await world.company(), await world.company()];
  const [agent, foreign] = [await world.agent(own.id), await world.agent(other.id)];
  const headers = { 'idempotency-key': 'change' };
  const restore = (id: string) => world.call(own.key, `POST /agents/${id}/versions/1/restore`, { headers });
  await world.patch(own.key, agent.id, { duration: 77 });
  const first = await restore(agent.id);
  expect(first.status).toBe(200);
  await world.deleteAgent(agent.id);
  const again = await restore(agent.id);
  expect({ status: again.status, text: again.text, replayed: again.headers['idempotent-replayed'] }).toEqual({
    status: 200,
    text: first.text,
    replayed: 'true',
  });
  const instance = `/agents/${foreign.id}/versions/1/restore`;
  expectProblem(await restore(foreign.id), { code: 'IDEMPOTENCY_KEY_REUSED', instance });
});

import { expect, test } from 'vitest';
import { openAnotherServer } from '../../support/another-server.ts';
import { type Answer, send } from '../../support/http.ts';
import { inOneBatch } from '../../support/locks.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { agentAtTwo, everythingOf, expectReplay, newKey, retriables, sendKeyed } from '../../support/retry.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const fifty = Array.from({ length: 50 }, (_, at) => at);

/** One answer is the first; all others are replays of it. */
function expectOneChange(answers: readonly Answer[]): void {
  const [first, ...more] = answers.filter(({ headers }) => headers['idempotent-replayed'] === undefined);
  expect(more).toEqual([]);
  if (!first) throw new Error('every answer claims to be a repetition');
  expect([200, 201]).toContain(first.status);
  for (const answer of answers) if (answer !== first) expectReplay(answer, first);
}

test.for(Object.entries(retriables))(
  'of fifty parallel requests with one idempotency key, sent to two servers, one is carried out: %s',
  async ([, make]) => {
    const agent = await agentAtTwo(world);
    const request = make(agent, await world.phoneNumber(agent.companyId));
    const key = newKey();
    const [method = '', path = ''] = request.line.split(' ');
    const body = request.body && JSON.stringify(request.body);
    const headers = {
      authorization: `Bearer ${agent.key}`,
      'idempotency-key': key,
      ...(body && { 'content-type': 'application/json' }),
      ...request.headers,
    };
    const sent = { method, path, headers, ...(body && { body }) };
    const other = await openAnotherServer(world);
    const before = await everythingOf(world, agent.companyId);
    const answers = await Promise.all(fifty.map((at) => send(at % 2 ? other.origin : world.origin, sent)));
    expectOneChange(answers);
    const { rows } = await world.sql.query('SELECT key, agent_id FROM idempotency_key WHERE api_key_id = $1', [
      agent.keyId,
    ]);
    expect(rows).toEqual([{ key, agent_id: Object(answers[0]?.body).id }]);
    const after = await everythingOf(world, agent.companyId);
    expect(after.length - before.length).toBe(request.line === 'POST /agents' ? 1 : 0);
    const { row, history } = await storedAgent(world, Object(answers[0]?.body).id);
    expect(history.map(({ version }) => version)).toEqual(history.map((_, at) => at + 1));
    expect(answers[0]?.headers.etag).toBe(`"${row.version}"`);
    expect(history).toHaveLength(Number(row.version));
  },
);

test('of different requests in one batch with the same idempotency key one is carried out and the others are refused; requests with other keys succeed', async () => {
  const company = await world.company();
  const agents = await Promise.all(fifty.map(() => world.agent(company.id)));
  const key = newKey();
  const answers = await Promise.all(
    agents.map(({ id }, at) => {
      const request = { line: `PATCH /agents/${id}`, body: { duration: 77 } };
      return sendKeyed(world, company, request, at % 5 === 0 ? key : newKey());
    }),
  );
  const shared = answers.filter((_, at) => at % 5 === 0);
  expect(shared.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(shared.filter(({ status }) => status === 422)).toHaveLength(9);
  expect(answers.filter((_, at) => at % 5 !== 0).map(({ status }) => status)).toEqual(Array(40).fill(200));
  for (const [at, { id }] of agents.entries()) {
    const { row, history } = await storedAgent(world, id);
    const isChanged = answers[at]?.status === 200;
    expect({ duration: row.duration, version: row.version, entries: history.length }).toEqual(
      isChanged ? { duration: 77, version: 2, entries: 2 } : { duration: 30, version: 1, entries: 1 },
    );
  }
});

test('a repeated patch in the batch of the first one gets its answer, although their If-Match is stale by then', async () => {
  const agent = await newSubject(world);
  const key = newKey();
  const request = { line: `PATCH /agents/${agent.id}`, body: { name: 'Once' }, headers: { 'if-match': '"2"' } };
  const answers = await inOneBatch(world, agent, () =>
    Promise.all(fifty.slice(0, 20).map(() => sendKeyed(world, agent, request, key))),
  );
  expectOneChange(answers);
  expect((await storedAgent(world, agent.id)).row).toMatchObject({ version: 3, name: 'Once' });
});

test('a change in the middle of a batch is replayed with its own time and version', async () => {
  const agent = await newSubject(world);
  const request = { line: `PATCH /agents/${agent.id}`, body: { metadata: { keyed: true } } };
  const key = newKey();
  const answers = await inOneBatch(world, agent, () =>
    Promise.all([
      ...fifty.slice(0, 5).map((at) => world.patch(agent.key, agent.id, { metadata: { [`before${at}`]: at } })),
      sendKeyed(world, agent, request, key),
      ...fifty.slice(0, 5).map((at) => world.patch(agent.key, agent.id, { metadata: { [`after${at}`]: at } })),
    ]),
  );
  expect(answers.map(({ headers }) => headers.etag).toSorted()).toEqual(
    fifty
      .slice(3, 14)
      .map((at) => `"${at}"`)
      .toSorted(),
  );
  const [first] = answers.slice(5, 6);
  if (!first) throw new Error('there is no such answer');
  expectReplay(await sendKeyed(world, agent, request, key), first);
});

test('parallel requests of two API keys with one idempotency key are each carried out and get their own answers', async () => {
  const agent = await newSubject(world);
  const colleague = { key: await world.keyWith(agent.companyId, 'write:agents') };
  const request = { line: `PATCH /agents/${agent.id}`, body: { name: 'The same' } };
  const key = newKey();
  const send = (by: { readonly key: string }) =>
    Promise.all(fifty.slice(0, 10).map(() => sendKeyed(world, by, request, key)));
  const [own, others] = await inOneBatch(world, agent, () => Promise.all([send(agent), send(colleague)]));
  expectOneChange(own);
  expectOneChange(others);
  expect((await storedAgent(world, agent.id)).row).toMatchObject({ version: 3, name: 'The same' });
});

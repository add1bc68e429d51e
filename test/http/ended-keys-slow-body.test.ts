import { expect, test } from 'vitest';
import { ends, expectEnded, newAtsSubject, storedOf } from '../support/ended-keys.ts';
import { draft } from '../support/endpoints.ts';
import { newSubject } from '../support/patch-agent.ts';
import { sendSlowly } from '../support/slow-body.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
type Request = (id: string, number: string) => { line: string; body: object; headers?: string[] };
const slow: Readonly<Record<string, Request>> = {
  PATCH: (id) => ({ line: `PATCH /agents/${id}`, body: { name: 'Too late' }, headers: ['Idempotency-Key: late'] }),
  'PATCH that changes nothing': (id) => ({ line: `PATCH /agents/${id}`, body: {} }),
  POST: () => ({ line: 'POST /agents', body: draft, headers: ['Idempotency-Key: late'] }),
  'PATCH as a dry run': (id) => ({ line: `PATCH /agents/${id}?dryRun=true`, body: { name: 'Too late' } }),
  'PATCH of the number as a dry run': (id, companyPhoneNumberId) => ({
    ...{ line: `PATCH /agents/${id}?dryRun=true`, body: { companyPhoneNumberId } },
  }),
};

test.for(Object.entries(slow))(
  '%s: a key that ends while the body arrives reads and writes nothing, whatever ended it',
  async ([, request]) => {
    const ended = Object.values(ends).map(async ({ end, code }) => {
      const { id, companyId, key, keyId, query } = await newAtsSubject(world);
      const { line, ...rest } = request(id, await world.phoneNumber(companyId));
      const before = await storedOf(world, companyId);
      const target = line + (line.includes('?') ? query.replace('?', '&') : query);
      const answer = await sendSlowly(world.origin, { line: target, key, ...rest }, () => end(world, keyId));
      expectEnded(answer, code, line);
      expect(await storedOf(world, companyId)).toEqual(before);
    });
    await Promise.all(ended);
  },
);

test('a key that ends while the body arrives is not told that the agent was deleted meanwhile', async () => {
  const { id, key, keyId } = await newSubject(world, { metadata: { text: 'x'.repeat(5_000) } });
  const request = { line: `PATCH /agents/${id}`, key, body: { name: 'Too late' } };
  const answer = await sendSlowly(world.origin, request, async () => {
    await world.keys.revoke(keyId);
    await world.deleteAgent(id);
  });
  expectEnded(answer, 'INVALID_API_KEY', request.line);
});

test('a kept answer is not replayed to a key that ended while the body arrived', async () => {
  const [patched, created] = await Promise.all([newAtsSubject(world), newAtsSubject(world)]);
  const headers = { 'idempotency-key': 'once' };
  const slowHeaders = ['Idempotency-Key: once'];
  const requests = [
    { subject: patched, line: `PATCH /agents/${patched.id}`, body: { name: 'Once' } },
    { subject: created, line: 'POST /agents', body: draft },
  ];
  const ended = requests.map(async ({ subject, line, body }) => {
    const { key, query, companyId, keyId } = subject;
    expect((await world.call(key, line + query, { headers, body })).headers).not.toHaveProperty('idempotent-replayed');
    const before = await storedOf(world, companyId);
    const request = { line: line + query, key, body, headers: slowHeaders };
    const replayed = await sendSlowly(world.origin, request, async () => {});
    expect(replayed.headers['idempotent-replayed']).toBe('true');
    expectEnded(await sendSlowly(world.origin, request, () => world.keys.revoke(keyId)), 'INVALID_API_KEY', line);
    expect(await storedOf(world, companyId)).toEqual(before);
  });
  await Promise.all(ended);
});

test('a key that ends fails its own change alone: the other changes of the batch, of the same agent and of others, are written', async () => {
  const { id, companyId } = await newSubject(world);
  const others = await Promise.all([1, 2, 3, 4].map(() => world.agent(companyId)));
  const keys = await Promise.all([1, 2, 3].map(() => world.newKey(companyId)));
  const [first, second, third] = keys;
  let arrived = 0;
  let release = () => {};
  const together = new Promise<void>((resolve) => {
    release = resolve;
  });
  const requests = [
    ...keys.map(({ key }, at) => ({ key, agentId: id, body: { metadata: { [`of ${at}`]: true } } })),
    ...others.map((agent) => ({ key: first?.key ?? '', agentId: agent.id, body: { name: 'Neighbour' } })),
  ];
  // All bodies are completed at once, after the second key has ended.
  const end = async () => {
    arrived += 1;
    if (arrived === requests.length) await world.keys.revoke(second?.id ?? '').then(release);
    await together;
  };
  const answers = await Promise.all(
    requests.map(({ key, agentId, body }) =>
      sendSlowly(world.origin, { line: `PATCH /agents/${agentId}`, key, body }, end),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 401, 200, 200, 200, 200, 200]);
  expect(JSON.parse(await world.row(id))).toMatchObject({ version: 3, metadata: { 'of 0': true, 'of 2': true } });
  const writers = (await world.history(id)).map(({ keyId }) => keyId);
  expect(writers[0]).toBe(null);
  expect(new Set(writers.slice(1))).toEqual(new Set([first?.id, third?.id]));
  for (const agent of others) expect(JSON.parse(await world.row(agent.id))).toMatchObject({ name: 'Neighbour' });
});

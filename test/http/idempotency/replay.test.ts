import { expect, test } from 'vitest';
import { newSubject, type Subject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import {
  agentAtTwo,
  everythingOf,
  expectReplay,
  newKey,
  type Retriable,
  retriables,
  sendKeyed,
} from '../../support/retry.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const kinds = Object.entries(retriables);

test.for(kinds)(
  '%s that is repeated gets the same answer, byte for byte, and changes nothing more',
  async ([, make]) => {
    const agent = await agentAtTwo(world);
    const request = make(agent, await world.phoneNumber(agent.companyId));
    const key = newKey();
    const first = await sendKeyed(world, agent, request, key);
    const before = await everythingOf(world, agent.companyId);
    expect(first.status).toBe(request.line === 'POST /agents' ? 201 : 200);
    expect(first.headers).not.toHaveProperty('idempotent-replayed');
    for (const form of [key, `"${key}"`]) {
      expectReplay(await sendKeyed(world, agent, request, form), first);
      expect(await everythingOf(world, agent.companyId)).toEqual(before);
    }
  },
);

test.for(kinds)('%s gets its kept answer after other changes, and after its agent is deleted', async ([, make]) => {
  const agent = await agentAtTwo(world);
  const request = make(agent, await world.phoneNumber(agent.companyId));
  const key = newKey();
  const first = await sendKeyed(world, agent, request, key);
  const { id } = Object(first.body);
  const other = { type: 'ONLINE', companyPhoneNumberId: null, metadata: { other: true } };
  expect((await world.patch(agent.key, id, other)).status).toBe(200);
  expectReplay(await sendKeyed(world, agent, request, key), first);
  await world.deleteAgent(id);
  const before = await everythingOf(world, agent.companyId);
  expectReplay(await sendKeyed(world, agent, request, key), first);
  expect(await everythingOf(world, agent.companyId)).toEqual(before);
});

test.for(kinds)('%s with the idempotency key of another request is refused and changes nothing', async ([, make]) => {
  const agent = await agentAtTwo(world);
  const request = make(agent, await world.phoneNumber(agent.companyId));
  const key = newKey();
  const used: Retriable = { line: `PATCH /agents/${agent.id}`, body: { metadata: { used: true } } };
  expect((await sendKeyed(world, agent, used, key)).status).toBe(200);
  const before = await everythingOf(world, agent.companyId);
  const instance = request.line.split(' ')[1] ?? '';
  expectProblem(await sendKeyed(world, agent, request, key), { code: 'IDEMPOTENCY_KEY_REUSED', instance });
  expect(await everythingOf(world, agent.companyId)).toEqual(before);
});

/** A patch whose company key ignores the `companyId`. */
const original = ({ id }: Subject): Retriable => ({
  line: `PATCH /agents/${id}?companyId=ignored&dryRun=false`,
  ...{ body: { duration: 46 }, headers: { 'if-match': '"1", "2"' } },
});

/** Differences that make a request another one, though some of them have no effect. */
const differences: Readonly<Record<string, (request: Retriable) => Retriable>> = {
  'another value': (request) => ({ ...request, body: { duration: 47 } }),
  'another member': (request) => ({ ...request, body: { duration: 46, name: 'Other' } }),
  'no query': (request) => ({ ...request, line: request.line.replace(/\?.*/, '') }),
  'another ignored companyId': (request) => ({ ...request, line: request.line.replace('ignored', 'other') }),
  'another order of the query': (request) => ({ ...request, line: request.line.replace(/\?(.*)&(.*)/, '?$2&$1') }),
  'no dryRun=false': (request) => ({ ...request, line: request.line.replace('&dryRun=false', '') }),
  'another blank in If-Match': (request) => ({ ...request, headers: { 'if-match': '"1","2"' } }),
  'another If-Match': (request) => ({ ...request, headers: { 'if-match': '*' } }),
  'no If-Match': ({ line, body }) => ({ line, ...(body && { body }) }),
};

test.for(Object.entries(differences))('%s makes it another request', async ([, differ]) => {
  const agent = await agentAtTwo(world);
  const request = original(agent);
  const key = newKey();
  expect((await sendKeyed(world, agent, request, key)).status).toBe(200);
  const before = await everythingOf(world, agent.companyId);
  const answer = await sendKeyed(world, agent, differ(request), key);
  expectProblem(answer, { code: 'IDEMPOTENCY_KEY_REUSED', instance: `/agents/${agent.id}` });
  expect(await everythingOf(world, agent.companyId)).toEqual(before);
});

test('an idempotency key belongs to one API key: the same one from another API key is a new request', async () => {
  const agent = await newSubject(world);
  const ats = await world.ats(agent.companyId);
  const key = newKey();
  const request = (name: string): Retriable => ({ line: `PATCH /agents/${agent.id}`, body: { name } });
  await sendKeyed(world, agent, request('By the company'), key);
  const line = `PATCH /agents/${agent.id}?companyId=${agent.companyId}`;
  const answer = await sendKeyed(world, ats, { line, body: { name: 'By the ATS' } }, key);
  expect(answer).toMatchObject({ status: 200, headers: { etag: '"3"' }, body: { name: 'By the ATS' } });
  expect(answer.headers).not.toHaveProperty('idempotent-replayed');
});

test('an idempotency key of an ATS key is one for all of its companies: the same request for another is refused', async () => {
  const [company, other] = [await world.company(), await world.company()];
  const ats = await world.ats(company.id, other.id);
  const body = { name: 'New', type: 'ONLINE', focus: 'SCREENING', language: 'FI', duration: 20 };
  const create = (companyId: string): Retriable => ({ line: `POST /agents?companyId=${companyId}`, body });
  const key = newKey();
  expect((await sendKeyed(world, ats, create(company.id), key)).status).toBe(201);
  const answer = await sendKeyed(world, ats, create(other.id), key);
  expectProblem(answer, { code: 'IDEMPOTENCY_KEY_REUSED', instance: '/agents' });
  expect(await everythingOf(world, other.id)).toEqual([]);
});

test('a kept answer is not repeated to a key that has lost access to the company', async () => {
  const agent = await newSubject(world);
  const ats = await world.ats(agent.companyId);
  const request = { line: `PATCH /agents/${agent.id}?companyId=${agent.companyId}`, body: { name: 'By the ATS' } };
  const key = newKey();
  expect((await sendKeyed(world, ats, request, key)).status).toBe(200);
  await world.companies.revoke(ats.id, agent.companyId);
  const answer = await sendKeyed(world, ats, request, key);
  expectProblem(answer, { code: 'COMPANY_ACCESS_DENIED', instance: `/agents/${agent.id}` });
});

test.for(kinds)('once its agent is erased, %s that is repeated answers 404 and creates nothing', async ([, make]) => {
  const agent = await agentAtTwo(world);
  const request = make(agent, await world.phoneNumber(agent.companyId));
  const key = newKey();
  const first = await sendKeyed(world, agent, request, key);
  const { id } = Object(first.body);
  await world.deleteAgent(id);
  await world.purgeAgent(id);
  const before = await everythingOf(world, agent.companyId);
  const instance = request.line.split(' ')[1] ?? '';
  expectProblem(await sendKeyed(world, agent, request, key), { code: 'RESOURCE_NOT_FOUND', instance });
  expect(await everythingOf(world, agent.companyId)).toEqual(before);
  const left = await world.sql.query('SELECT FROM idempotency_key WHERE agent_id = $1 AND agent IS NOT NULL', [id]);
  expect(left.rowCount).toBe(0);
});

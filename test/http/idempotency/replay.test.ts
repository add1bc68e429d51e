import { expect, test } from 'vitest';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import {
  agentAtTwo,
  everythingOf,
  expectReplay,
  newKey,
  patchOf,
  type Retriable,
  retriables,
  sendKeyed,
} from '../../support/retry.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const kinds = Object.entries(retriables);

test.for(kinds)(
  '%s that is sent again gets the same answer, byte for byte, and changes nothing more',
  async ([, make]) => {
    const agent = await agentAtTwo(world);
    const request = make(agent, await world.phoneNumber(agent.companyId));
    const key = newKey();
    const first = await sendKeyed(world, agent, request, key);
    const before = await everythingOf(world, agent.companyId);
    expect(first.status).toBe(request.path === '/agents' ? 201 : 200);
    expect(first.headers).not.toHaveProperty('idempotent-replayed');
    for (const form of [key, `"${key}"`]) {
      expectReplay(await sendKeyed(world, agent, request, form), first);
      expect(await everythingOf(world, agent.companyId)).toEqual(before);
    }
  },
);

test.for(kinds)('%s is answered again after other changes, and after its agent is deleted', async ([, make]) => {
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

test.for(kinds)('%s under the key of another request is refused, and changes nothing', async ([, make]) => {
  const agent = await agentAtTwo(world);
  const request = make(agent, await world.phoneNumber(agent.companyId));
  const key = newKey();
  const used = patchOf(agent.id, { metadata: { used: true } });
  expect((await sendKeyed(world, agent, used, key)).status).toBe(200);
  const before = await everythingOf(world, agent.companyId);
  expectProblem(await sendKeyed(world, agent, request, key), {
    code: 'IDEMPOTENCY_KEY_REUSED',
    instance: request.path,
  });
  expect(await everythingOf(world, agent.companyId)).toEqual(before);
});

const header = { 'If-Match': '"2"' };

/** What makes another request of a patch with the body { "duration": 46 } and If-Match: "2". */
const differences: Readonly<Record<string, (id: string) => Retriable>> = {
  'another value': (id) => patchOf(id, { duration: 47 }, { header }),
  'another member': (id) => patchOf(id, { duration: 46, name: 'Other' }, { header }),
  'a query': (id) => patchOf(id, { duration: 46 }, { header, query: { dryRun: false } }),
  'another If-Match': (id) => patchOf(id, { duration: 46 }, { header: { 'If-Match': '*' } }),
  'no If-Match': (id) => patchOf(id, { duration: 46 }),
};

test.for(Object.entries(differences))('%s makes another request', async ([, differ]) => {
  const agent = await agentAtTwo(world);
  const request = patchOf(agent.id, { duration: 46 }, { header });
  const key = newKey();
  expect((await sendKeyed(world, agent, request, key)).status).toBe(200);
  const before = await everythingOf(world, agent.companyId);
  const answer = await sendKeyed(world, agent, differ(agent.id), key);
  expectProblem(answer, { code: 'IDEMPOTENCY_KEY_REUSED', instance: `/agents/${agent.id}` });
  expect(await everythingOf(world, agent.companyId)).toEqual(before);
});

test('an idempotency key is one API key’s own: with another API key the same one makes a change of its own', async () => {
  const agent = await newSubject(world);
  const ats = await world.ats(agent.companyId);
  const key = newKey();
  await sendKeyed(world, agent, patchOf(agent.id, { name: 'By the company' }), key);
  const query = { companyId: agent.companyId };
  const answer = await sendKeyed(world, ats, patchOf(agent.id, { name: 'By the ATS' }, { query }), key);
  expect(answer).toMatchObject({ status: 200, headers: { etag: '"3"' }, body: { name: 'By the ATS' } });
  expect(answer.headers).not.toHaveProperty('idempotent-replayed');
});

test('an answer is not given again to a key that may no longer touch the company', async () => {
  const agent = await newSubject(world);
  const ats = await world.ats(agent.companyId);
  const request = patchOf(agent.id, { name: 'By the ATS' }, { query: { companyId: agent.companyId } });
  const key = newKey();
  expect((await sendKeyed(world, ats, request, key)).status).toBe(200);
  await world.companies.revoke(ats.id, agent.companyId);
  const answer = await sendKeyed(world, ats, request, key);
  expectProblem(answer, { code: 'COMPANY_ACCESS_DENIED', instance: `/agents/${agent.id}` });
});

test.for(kinds)('once its agent is erased, %s that is sent again is 404, and makes nothing anew', async ([, make]) => {
  const agent = await agentAtTwo(world);
  const request = make(agent, await world.phoneNumber(agent.companyId));
  const key = newKey();
  const first = await sendKeyed(world, agent, request, key);
  const { id } = Object(first.body);
  await world.deleteAgent(id);
  await world.agents.purge(id, 'tester');
  const before = await everythingOf(world, agent.companyId);
  expectProblem(await sendKeyed(world, agent, request, key), { code: 'RESOURCE_NOT_FOUND', instance: request.path });
  expect(await everythingOf(world, agent.companyId)).toEqual(before);
  const left = await world.sql.query('SELECT FROM idempotency_key WHERE agent_id = $1 AND agent IS NOT NULL', [id]);
  expect(left.rowCount).toBe(0);
});

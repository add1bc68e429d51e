import { expect, test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { expectChange, expectRefusal, newSubject, type Subject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const atNumber = (code: Fault['code'], detail: string) =>
  ({ code: 'VALIDATION_FAILED', errors: [{ in: 'body', pointer: '#/companyPhoneNumberId', code, detail }] }) as const;
const missing = atNumber(
  'required',
  'must be sent in the same request as type PHONE: GET /phone-numbers lists the ids; ' +
    'a patch without type keeps the stored number',
);
const notNull = atNumber(
  'not_null',
  'must be the id of an active phone number, not null, while type is PHONE; or set another type in the same request',
);
const notFound = atNumber(
  'not_found',
  'must be the id of an active phone number of the company: GET /phone-numbers lists them; ' +
    'a patch without it and type PHONE keeps the stored number',
);

const refuse = (agent: Subject, body: unknown, problem: typeof missing) =>
  expectRefusal(world, agent.id, () => world.patch(agent.key, agent.id, body), problem);

/** An agent of type PHONE, and its phone number. */
async function phoneAgent() {
  const agent = await newSubject(world);
  const number = await world.phoneNumber(agent.companyId);
  const fields = { type: 'PHONE', companyPhoneNumberId: number };
  await expectChange(world, agent, fields, fields);
  return { agent, number };
}

test('type PHONE without a phone number in the same request is refused', async () => {
  await refuse(await newSubject(world), { type: 'PHONE', name: 'Must not stick' }, missing);
});

test('type PHONE without a phone number is refused even if the agent has one or is of type PHONE already', async () => {
  const { agent, number } = await phoneAgent();
  await refuse(agent, { type: 'PHONE' }, missing);
  await expectChange(world, agent, { type: 'ONLINE' }, { type: 'ONLINE' });
  await refuse(agent, { type: 'PHONE' }, missing);
  await expectChange(world, agent, { type: 'PHONE', companyPhoneNumberId: number }, { type: 'PHONE' });
});

test('type PHONE with a null phone number is refused', async () => {
  await refuse(await newSubject(world), { type: 'PHONE', companyPhoneNumberId: null }, notNull);
});

test('PHONE with a number of the wrong JSON type is refused once, and null is not offered', async () => {
  const problem = atNumber('wrong_type', 'must be a string');
  await refuse(await newSubject(world), { type: 'PHONE', companyPhoneNumberId: 5 }, problem);
});

test('the phone number of an agent of type PHONE cannot be cleared', async () => {
  const { agent } = await phoneAgent();
  await refuse(agent, { companyPhoneNumberId: null }, notNull);
});

test('the phone number can be cleared in the request that sets another type', async () => {
  const { agent } = await phoneAgent();
  const fields = { type: 'ONLINE', companyPhoneNumberId: null };
  await expectChange(world, agent, fields, fields);
});

test('an agent that goes back to ONLINE keeps its phone number, which can be cleared afterwards', async () => {
  const { agent } = await phoneAgent();
  await expectChange(world, agent, { type: 'ONLINE' }, { type: 'ONLINE' });
  await expectChange(world, agent, { companyPhoneNumberId: null }, { companyPhoneNumberId: null });
});

test.for(['UNDEFINED', 'ONLINE'] as const)(
  'a phone number without a type is accepted on an agent of type %s',
  async (type) => {
    const agent = await newSubject(world, { type });
    const number = await world.phoneNumber(agent.companyId);
    await expectChange(world, agent, { companyPhoneNumberId: number }, { companyPhoneNumberId: number });
  },
);

test('an agent of type PHONE accepts another phone number without a type, and stores an id in upper case in lower case', async () => {
  const { agent } = await phoneAgent();
  const other = await world.phoneNumber(agent.companyId);
  await expectChange(world, agent, { companyPhoneNumberId: other.toUpperCase() }, { companyPhoneNumberId: other });
});

test('a patch of another field keeps the phone number of an agent, and the header names it', async () => {
  const { agent } = await phoneAgent();
  await expectChange(world, agent, { name: 'Renamed' }, { name: 'Renamed' });
});

/** Phone numbers that an agent cannot get. The fault is the same for all. */
const unusable: Readonly<Record<string, (companyId: string) => Promise<string>>> = {
  'that does not exist': async () => '00000000-0000-4000-8000-00000000dead',
  'of another company': async () => world.phoneNumber((await world.company()).id),
  'that is inactive': async (companyId) => {
    const number = await world.phoneNumber(companyId);
    await world.companies.deactivatePhoneNumber(number);
    return number;
  },
};

test.for(Object.entries(unusable))('a phone number %s is refused, with a type or without', async ([, make]) => {
  const { agent } = await phoneAgent();
  const companyPhoneNumberId = await make(agent.companyId);
  await refuse(agent, { companyPhoneNumberId }, notFound);
  await refuse(agent, { companyPhoneNumberId, type: 'PHONE', name: 'Must not stick' }, notFound);
  await refuse(agent, { companyPhoneNumberId, type: 'ONLINE' }, notFound);
});

test('an agent whose phone number became inactive keeps it in patches without number and type PHONE, as the refusal of others says', async () => {
  const { agent, number } = await phoneAgent();
  await world.companies.deactivatePhoneNumber(number);
  await refuse(agent, { companyPhoneNumberId: number }, notFound);
  await refuse(agent, { name: 'Renamed', type: 'PHONE', companyPhoneNumberId: number }, notFound);
  await refuse(agent, { name: 'Renamed', type: 'PHONE' }, missing);
  await expectChange(world, agent, { name: 'Renamed' }, { name: 'Renamed' });
  await expectChange(world, agent, { type: 'ONLINE' }, { type: 'ONLINE' });
});

test('a company key cannot attach another company’s phone number by naming that company in companyId', async () => {
  const agent = await newSubject(world);
  const other = await world.company();
  const body = { type: 'PHONE', companyPhoneNumberId: await world.phoneNumber(other.id) };
  const send = () => world.patch(agent.key, agent.id, body, { query: `?companyId=${other.id}` });
  await expectRefusal(world, agent.id, send, notFound);
});

test('an ATS key cannot attach a phone number of one of its companies to an agent of another', async () => {
  const agent = await newSubject(world);
  const other = await world.company();
  const ats = await world.ats(agent.companyId, other.id);
  const body = { companyPhoneNumberId: await world.phoneNumber(other.id) };
  const send = () => world.patch(ats.key, agent.id, body, { query: `?companyId=${agent.companyId}` });
  const answer = await expectRefusal(world, agent.id, send, notFound);
  expect(answer.headers['agent-phone-number-id']).toBeUndefined();
});

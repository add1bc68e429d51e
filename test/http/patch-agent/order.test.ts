import { test } from 'vitest';
import { complaints, type Fault, inBody, inParameter } from '../../../src/http/faults.ts';
import type { Sent } from '../../support/http.ts';
import { expectChange, expectRefusal, newSubject, type Subject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

/** What order-of-checks.test.ts leaves out: the phone rule, the place of the Idempotency-Key, and all faults of one check. */
const world = await openWorld();

const key = { 'idempotency-key': 'used' };
const stale = { 'if-match': '"99"' };
const phone = { type: 'PHONE' };
const unknownNumber = { companyPhoneNumberId: '00000000-0000-4000-8000-00000000dead' };
const sixLevels = { metadata: { a: { b: { c: { d: { e: {} } } } } } };

const invalid = (...errors: Fault[]) => ({ code: 'VALIDATION_FAILED', errors }) as const;
const reused = { code: 'IDEMPOTENCY_KEY_REUSED' } as const;
const noNumber = inBody(['companyPhoneNumberId'], complaints.requiredForPhone());
const notFound = inBody(['companyPhoneNumberId'], complaints.phoneNumberNotFound());
const tooLong = inBody(['duration'], complaints.tooLarge(180));
const tooDeep = inBody(['metadata'], complaints.metadataDepth(5, 6));
const noTags = inParameter('header', 'if-match', complaints.badFormat('entity-tags'));

/** The body and headers of a patch that more than one check refuses, and the answer. */
type Case = readonly [body: object, headers: Sent['headers'], problem: typeof reused | ReturnType<typeof invalid>];

const cases: Readonly<Record<string, Case>> = {
  'the phone rule together with the other faults of the body': [
    { ...phone, duration: 999 },
    {},
    invalid(noNumber, tooLong),
  ],
  'the phone rule before If-Match': [phone, stale, invalid(noNumber)],
  'the phone rule before a used Idempotency-Key': [phone, key, invalid(noNumber)],
  'faults of the body before a used Idempotency-Key': [{ duration: 999 }, key, invalid(tooLong)],
  'faults of headers before a used Idempotency-Key': [{}, { ...key, 'if-match': '2' }, invalid(noTags)],
  'a used Idempotency-Key before If-Match': [{}, { ...key, ...stale }, reused],
  'a used Idempotency-Key before the phone number': [unknownNumber, key, reused],
  'a used Idempotency-Key before the limits of metadata': [sixLevels, key, reused],
  'the phone number and the limits of metadata together': [
    { ...unknownNumber, ...sixLevels },
    {},
    invalid(notFound, tooDeep),
  ],
};

/** An agent at version 2, whose change used the Idempotency-Key. */
async function changed(): Promise<Subject> {
  const agent = await newSubject(world);
  await world.patch(agent.key, agent.id, { duration: 46 }, { headers: key });
  await expectChange(world, agent, { duration: 47 }, { duration: 47 });
  return agent;
}

test.for(Object.entries(cases))('PATCH checks %s', async ([, [body, headers, problem]]) => {
  const agent = await changed();
  await expectRefusal(world, agent.id, () => world.patch(agent.key, agent.id, body, { headers }), problem);
});

test('PATCH checks the phone rule before it says that the agent is deleted or another company’s', async () => {
  const [agent, { key: otherKey }] = [await newSubject(world), await world.company()];
  const refuse = (key: string) =>
    expectRefusal(world, agent.id, () => world.patch(key, agent.id, phone), invalid(noNumber));
  await refuse(otherKey);
  await world.deleteAgent(agent.id);
  await refuse(agent.key);
});

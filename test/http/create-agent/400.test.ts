import { expect, test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { draft } from '../../support/endpoints.ts';
import { fieldEntries, requiredFields } from '../../support/fields.ts';
import { expectNotCreated } from '../../support/new-agent.ts';
import { expectRefusal, newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { everythingOf } from '../../support/retry.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const at = (field: string, code: Fault['code'], detail: string, limit?: number): Fault => ({
  ...{ in: 'body', pointer: `#/${field}`, code, detail },
  ...(limit !== undefined && { limit }),
});

async function expectFaults(body: unknown, errors: readonly Fault[]): Promise<void> {
  const company = await world.company();
  const send = () => world.call(company.key, 'POST /agents', { body });
  await expectNotCreated(world, company, send, { code: 'VALIDATION_FAILED', errors });
}

/** A patch of the same fields is refused with the same faults. */
async function expectSameOfPatch(fields: unknown, errors: readonly Fault[]): Promise<void> {
  const agent = await newSubject(world);
  const send = () => world.patch(agent.key, agent.id, fields);
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
}

test.for(requiredFields)('%s is required', async (field) => {
  const { [field]: _, ...others }: Record<string, unknown> = draft;
  await expectFaults(others, [at(field, 'required', 'is required')]);
});

test('all missing required fields are reported at once', async () => {
  await expectFaults(
    {},
    requiredFields.map((field) => at(field, 'required', 'is required')),
  );
});

const notNullable = fieldEntries.filter(([, { isNullable }]) => !isNullable).map(([field]) => field);

/** For each field the first value that a patch refuses. */
const refused = fieldEntries.flatMap(([field, { wrong }]) =>
  wrong
    .slice(0, 1)
    .map(([json, place, { code, detail, limit }]): readonly [object, Fault] => [
      { [field]: JSON.parse(json) },
      at(`${field}${place}`, code, detail, limit),
    ]),
);

const nested = { a: { b: { c: { d: { e: {} } } } } };
const phone =
  'must be sent in the same request as type PHONE: GET /phone-numbers lists the ids; ' +
  'a patch without type keeps the stored number';
const phoneNotNull =
  'must be the id of an active phone number, not null, while type is PHONE; or set another type in the same request';

/** Fields added to a valid body, and the fault that they cause, the same as in a patch. */
const wrong: readonly (readonly [object, Fault])[] = [
  ...refused,
  [{ duration: '30' }, at('duration', 'wrong_type', 'must be a whole number from 1 to 180')],
  [{ metadata: nested }, at('metadata', 'too_deep', 'must be at most 5 levels deep once merged, but would be 6', 5)],
  [
    { metadata: { text: 'x'.repeat(10_230) } },
    at('metadata', 'too_large', 'must be at most 10240 bytes of JSON once merged, but would be 10241', 10_240),
  ],
  [
    { metadata: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, i])) },
    at('metadata', 'too_many', 'must have at most 50 keys at all levels once merged, but would have 51', 50),
  ],
  [{ voice: 'EVA' }, at('voice', 'unknown_member', 'is not known; did you mean voiceId?')],
  [{ type: 'PHONE' }, at('companyPhoneNumberId', 'required', phone)],
  [{ type: 'PHONE', companyPhoneNumberId: null }, at('companyPhoneNumberId', 'not_null', phoneNotNull)],
];

test.for(wrong.map(([fields, fault]) => ({ fields, fault })))(
  'POST refuses what PATCH refuses, with the same fault: $fault.pointer $fault.detail',
  async ({ fields, fault }) => {
    await expectFaults({ ...draft, ...fields }, [fault]);
    await expectSameOfPatch(fields, [fault]);
  },
);

test('POST reports the limits of metadata once the body has no other fault, and after an Idempotency-Key that was used', async () => {
  const company = await world.company();
  const headers = { 'idempotency-key': 'used' };
  const post = (body: object, headers = {}) => world.call(company.key, 'POST /agents', { body, headers });
  const { name, ...unnamed } = { ...draft, metadata: nested };
  const noName = [at('name', 'required', 'is required')];
  await expectNotCreated(world, company, () => post(unnamed), { code: 'VALIDATION_FAILED', errors: noName });
  expect((await post({ ...draft, name }, headers)).status).toBe(201);
  const before = await everythingOf(world, company.id);
  expectProblem(await post({ ...unnamed, name }, headers), { code: 'IDEMPOTENCY_KEY_REUSED', instance: '/agents' });
  expect(await everythingOf(world, company.id)).toEqual(before);
});

test.for(notNullable)('a null %s is refused with the fault that PATCH reports', async (field) => {
  const company = await world.company();
  const answer = await world.call(company.key, 'POST /agents', { body: { ...draft, [field]: null } });
  const { errors } = Object(answer.body);
  expect(errors).toEqual([at(field, 'not_null', expect.stringMatching(/^must be .*, not null$/))]);
  await expectFaults({ ...draft, [field]: null }, errors);
  await expectSameOfPatch({ [field]: null }, errors);
});

test('a phone number that is inactive, unknown or of another company is refused', async () => {
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const inactive = await world.phoneNumber(company.id);
  await world.companies.deactivatePhoneNumber(inactive);
  const numbers = [await world.phoneNumber(other.id), '00000000-0000-4000-8000-00000000dead', inactive];
  for (const companyPhoneNumberId of numbers) {
    const body = { ...draft, type: 'PHONE', companyPhoneNumberId };
    const send = () => world.call(company.key, 'POST /agents', { body });
    const detail =
      'must be the id of an active phone number of the company: GET /phone-numbers lists them; ' +
      'a patch without it and type PHONE keeps the stored number';
    const errors = [at('companyPhoneNumberId', 'not_found', detail)];
    await expectNotCreated(world, company, send, { code: 'VALIDATION_FAILED', errors });
  }
});

const bodies = [
  ['a text', 'text/plain', '{}', 'UNSUPPORTED_MEDIA_TYPE', undefined],
  [
    'half an object',
    'application/json',
    '{',
    'MALFORMED_BODY',
    problemTexts.bodyNotJson({
      line: 1,
      column: 2,
      expected: 'a name in double quotes or }',
      found: 'the end of the body',
    }),
  ],
  ['too large', 'application/json', ' '.repeat(262_145), 'PAYLOAD_TOO_LARGE', undefined],
  ['not there', 'application/json', undefined, 'MALFORMED_BODY', problemTexts.bodyMissing],
] as const;

test.for(bodies)('POST with a body that is %s is refused and creates nothing', async ([, type, body, code, detail]) => {
  const company = await world.company();
  const headers = { authorization: `Bearer ${company.key}`, 'content-type': type };
  const sent = { method: 'POST', path: '/agents', headers, ...(body !== undefined && { body }) };
  await expectNotCreated(world, company, () => world.send(sent), { code, ...(detail && { detail }) });
});

test('POST refuses an unknown query parameter', async () => {
  const company = await world.company();
  const send = () => world.call(company.key, 'POST /agents?dryRun=true', { body: draft });
  const detail = 'is not known; what can be set is companyId';
  const errors = [{ in: 'query', parameter: 'dryRun', code: 'unknown_member', detail }] as const;
  await expectNotCreated(world, company, send, { code: 'VALIDATION_FAILED', errors });
});

import { expect, test } from 'vitest';
import { draft } from '../../support/endpoints.ts';
import { fullFields, nullableFields } from '../../support/fields.ts';
import { expectCreated } from '../../support/new-agent.ts';
import { expectChange } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('POST with the required fields alone creates an agent whose other fields have their initial values', async () => {
  await expectCreated(world, await world.company(), draft);
});

test('POST stores the optional fields as sent', async () => {
  await expectCreated(world, await world.company(), { ...draft, ...fullFields });
});

test.for(nullableFields)('a null %s, which PATCH allows too, is the same as leaving it out', async (field) => {
  await expectCreated(world, await world.company(), { ...draft, [field]: null });
});

test('a null member of metadata is left out, as PATCH would remove it', async () => {
  const metadata = { gone: null, kept: { gone: null, list: [null] } };
  await expectCreated(world, await world.company(), { ...draft, metadata }, { metadata: { kept: { list: [null] } } });
});

test('a PHONE agent gets the phone number that it names, stored in lower case', async () => {
  const company = await world.company();
  const number = await world.phoneNumber(company.id);
  const fields = { ...draft, type: 'PHONE', companyPhoneNumberId: number.toUpperCase() } as const;
  await expectCreated(world, company, fields, { companyPhoneNumberId: number });
});

test('a phone number is accepted on an agent of any type', async () => {
  const company = await world.company();
  await expectCreated(world, company, { ...draft, companyPhoneNumberId: await world.phoneNumber(company.id) });
});

test('POST answers 201: Location is the path of the agent, and its ETag is accepted as If-Match of a patch', async () => {
  const company = await world.company();
  const { status, headers, data } = await world.client(company.key).create(draft);
  expect(status).toBe(201);
  const read = await world.call(company.key, `GET ${headers.location}`);
  expect(read).toMatchObject({ status: 200, body: data, headers: { etag: headers.etag } });
  const { id: companyId, key, keyId } = company;
  await expectChange(world, { id: data.id, companyId, key, keyId }, { duration: 31 }, { duration: 31 });
});

test('the same body sent twice creates two agents', async () => {
  const company = await world.company();
  const [one, two] = [await expectCreated(world, company, draft), await expectCreated(world, company, draft)];
  expect(one).not.toBe(two);
});

test('an ATS key creates the agent for the company that companyId names', async () => {
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const ats = await world.ats(company.id, other.id);
  const answer = await world.client(ats.key).create(draft, { query: { companyId: other.id } });
  expect(answer).toMatchObject({ status: 201, body: { ...draft, companyId: other.id } });
  const [entry] = await world.history(answer.data.id);
  expect(entry?.keyId).toBe(ats.keyId);
});

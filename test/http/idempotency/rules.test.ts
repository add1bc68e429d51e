import { expect, test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { expectRefusal, newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { everythingOf, expectReplay, newKey, sendKeyed } from '../../support/retry.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const fault: Fault = {
  in: 'header',
  parameter: 'idempotency-key',
  code: 'bad_format',
  detail: 'must be 1 to 255 visible ASCII characters, bare or in double quotes',
};

test.for([
  ['empty', ''],
  ['only quotes', '""'],
  ['a quote that does not end', '"abc'],
  ['white space inside', 'a b'],
  ['256 characters', 'k'.repeat(256)],
  ['a letter beyond ASCII', 'clé'],
  ['two keys', ['first', 'second']],
] as const)('an invalid Idempotency-Key is refused: %s', async ([, value]) => {
  const agent = await newSubject(world);
  const headers = { 'idempotency-key': value };
  const send = () => world.patch(agent.key, agent.id, { name: 'Must not stick' }, { headers });
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors: [fault] });
  const create = await world.call(agent.key, 'POST /agents', { body: {}, headers });
  expect(Object(create.body).errors).toContainEqual(fault);
});

const onDryRun: Fault = {
  in: 'header',
  parameter: 'idempotency-key',
  code: 'not_allowed',
  detail: 'must not be sent with dryRun=true: a dry run changes nothing that could be repeated',
};

test('a dry run with an Idempotency-Key is refused, and all other faults are reported with it', async () => {
  const agent = await newSubject(world);
  const patch = (body: object) => () =>
    sendKeyed(world, agent, { line: `PATCH /agents/${agent.id}?dryRun=true`, body }, newKey());
  await expectRefusal(world, agent.id, patch({ name: 'Dry' }), { code: 'VALIDATION_FAILED', errors: [onDryRun] });
  const tooLong: Fault = {
    in: 'body',
    pointer: '#/duration',
    code: 'too_large',
    detail: 'must be at most 180',
    limit: 180,
  };
  await expectRefusal(world, agent.id, patch({ duration: 181 }), {
    code: 'VALIDATION_FAILED',
    errors: [tooLong, onDryRun],
  });
  const instance = `/agents/${agent.id}/versions/1/restore`;
  const restore = () => sendKeyed(world, agent, { line: `POST ${instance}?dryRun=true` }, newKey());
  await expectRefusal(world, agent.id, restore, { code: 'VALIDATION_FAILED', instance, errors: [onDryRun] });
});

test('a refusal is not kept: the same request with the same idempotency key succeeds once the reason is gone', async () => {
  const agent = await newSubject(world);
  const line = `PATCH /agents/${agent.id}`;
  const request = { line, body: { name: 'Late' }, headers: { 'if-match': '"2"' } };
  const key = newKey();
  expectProblem(await sendKeyed(world, agent, request, key), {
    code: 'PRECONDITION_FAILED',
    instance: `/agents/${agent.id}`,
  });
  const kept = await world.sql.query('SELECT FROM idempotency_key WHERE api_key_id = $1', [agent.keyId]);
  expect(kept.rowCount).toBe(0);
  await world.patch(agent.key, agent.id, { name: 'Second' });
  const answer = await sendKeyed(world, agent, request, key);
  expect(answer).toMatchObject({ status: 200, headers: { etag: '"3"' }, body: { name: 'Late' } });
  expectReplay(await sendKeyed(world, agent, request, key), answer);
});

test('a refused creation is not kept either', async () => {
  const company = await world.company();
  const number = await world.phoneNumber(company.id);
  await world.sql.query(`UPDATE company_phone_number SET status = 'INACTIVE' WHERE id = $1`, [number]);
  const draft = { name: 'New', type: 'PHONE', focus: 'GENERIC', language: 'EN', duration: 5 };
  const request = { line: 'POST /agents', body: { ...draft, companyPhoneNumberId: number } };
  const key = newKey();
  expect((await sendKeyed(world, company, request, key)).status).toBe(400);
  await world.sql.query(`UPDATE company_phone_number SET status = 'ACTIVE' WHERE id = $1`, [number]);
  expect((await sendKeyed(world, company, request, key)).status).toBe(201);
  expect(await everythingOf(world, company.id)).toHaveLength(1);
});

test('GET and DELETE ignore the Idempotency-Key header', async () => {
  const agent = await newSubject(world);
  const key = newKey();
  await sendKeyed(world, agent, { line: `PATCH /agents/${agent.id}`, body: { name: 'Second' } }, key);
  const read = await sendKeyed(world, agent, { line: `GET /agents/${agent.id}` }, key);
  expect(read).toMatchObject({ status: 200, body: { name: 'Second' } });
  expect((await sendKeyed(world, agent, { line: `DELETE /agents/${agent.id}` }, 'not a key')).status).toBe(204);
});

test('the same id in the other case makes another request; another If-None-Match, or a body of a restore, does not', async () => {
  const agent = await newSubject(world);
  const patch = (id: string, headers = {}) => ({ line: `PATCH /agents/${id}`, body: { name: 'Second' }, headers });
  const key = newKey();
  const first = await sendKeyed(world, agent, patch(agent.id), key);
  expect(first.status).toBe(200);
  expectReplay(await sendKeyed(world, agent, patch(agent.id, { 'if-none-match': '"2"' }), key), first);
  const instance = `/agents/${agent.id.toUpperCase()}`;
  expectProblem(await sendKeyed(world, agent, patch(agent.id.toUpperCase()), key), {
    code: 'IDEMPOTENCY_KEY_REUSED',
    instance,
  });

  const line = `POST /agents/${agent.id}/versions/1/restore`;
  const another = newKey();
  const restored = await sendKeyed(world, agent, { line }, another);
  expect(restored).toMatchObject({ status: 200, headers: { etag: '"3"' } });
  expectReplay(await sendKeyed(world, agent, { line, body: { name: 'Not read' } }, another), restored);
});

test('after 24 hours an idempotency key can be used again, and its kept answer is replaced', async () => {
  const agent = await newSubject(world);
  const line = `PATCH /agents/${agent.id}`;
  const [key, another] = [newKey(), newKey()];
  const age = (interval: string) =>
    world.sql.query('UPDATE idempotency_key SET created_at = now() - $2::interval WHERE api_key_id = $1', [
      agent.keyId,
      interval,
    ]);
  const first = await sendKeyed(world, agent, { line, body: { name: 'First' } }, key);
  await sendKeyed(world, agent, { line, body: { name: 'Second' } }, another);
  await age('23:59');
  expectReplay(await sendKeyed(world, agent, { line, body: { name: 'First' } }, key), first);
  await age('24:00');
  const next = await sendKeyed(world, agent, { line, body: { name: 'First' } }, key);
  expect(next).toMatchObject({ status: 200, headers: { etag: '"4"' } });
  expect(next.headers).not.toHaveProperty('idempotent-replayed');
  expect((await sendKeyed(world, agent, { line, body: { name: 'Quite other' } }, another)).status).toBe(200);
  expect((await storedAgent(world, agent.id)).row).toMatchObject({ name: 'Quite other', version: 5 });
});

test('after 24 hours a repeated creation creates another agent', async () => {
  const company = await world.company();
  const body = { name: 'New', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 5 };
  const key = newKey();
  await sendKeyed(world, company, { line: 'POST /agents', body }, key);
  await world.sql.query(`UPDATE idempotency_key SET created_at = now() - interval '24 hours' WHERE api_key_id = $1`, [
    company.keyId,
  ]);
  expect((await sendKeyed(world, company, { line: 'POST /agents', body }, key)).status).toBe(201);
  expect(await everythingOf(world, company.id)).toHaveLength(2);
});

test('kept answers older than 24 hours are deleted, 500 at a time, and no younger one is', async () => {
  const agent = await newSubject(world);
  await world.sql.query(
    `INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at, created_at)
     SELECT $1, 'old ' || n, '', $2, '{}', '{}', now(), now() - interval '24 hours' - n * interval '1 second'
       FROM generate_series(1, 700) n`,
    [agent.keyId, agent.id],
  );
  await sendKeyed(world, agent, { line: `PATCH /agents/${agent.id}`, body: { name: 'Young' } }, 'young');
  const left = async () =>
    (await world.sql.query('SELECT key FROM idempotency_key WHERE api_key_id = $1', [agent.keyId])).rows;
  expect(await world.agents.forgetAnswers()).toBe(true);
  expect(await left()).toHaveLength(201);
  expect(await world.agents.forgetAnswers()).toBe(false);
  expect(await left()).toEqual([{ key: 'young' }]);
});

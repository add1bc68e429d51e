import { expect, test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { fullFields } from '../../support/fields.ts';
import { expectAgent, expectChange, expectRefusal, newSubject } from '../../support/patch-agent.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('GET answers 200 with the agent as stored, its ETag and its phone number, and writes nothing', async () => {
  const agent = await newSubject(world, fullFields);
  const number = await world.phoneNumber(agent.companyId);
  for (const fields of [{}, { type: 'PHONE', companyPhoneNumberId: number }]) {
    await world.patch(agent.key, agent.id, fields);
    const before = await storedAgent(world, agent.id);
    expectAgent(await world.client(agent.key).read(agent.id.toUpperCase()), before.row);
    expect(await storedAgent(world, agent.id)).toEqual(before);
  }
});

test('HEAD answers as GET does, without the body', async () => {
  const agent = await newSubject(world, fullFields);
  const get = await world.call(agent.key, `GET /agents/${agent.id}`);
  const head = await world.call(agent.key, `HEAD /agents/${agent.id}`);
  const { date, 'x-request-id': requestId, ...headers } = get.headers;
  expect(head).toMatchObject({ status: 200, text: '', headers });
});

test('an agent with values outside today’s enumerations can be read', async () => {
  const agent = await newSubject(world, fullFields);
  await world.sql.query(`UPDATE agent SET type = 'VIDEO', voice_id = 'HAL', duration = 999 WHERE id = $1`, [agent.id]);
  const answer = await world.client(agent.key).read(agent.id);
  expect(answer).toMatchObject({ status: 200, body: { type: 'VIDEO', voiceId: 'HAL', duration: 999 } });
});

const tags = [
  ['"2"', 304],
  ['W/"2"', 304],
  ['"1", "2"', 304],
  ['*', 304],
  ['"1"', 200],
  ['"2.0"', 200],
] as const;

test.for(tags)('GET with If-None-Match: %s on version 2 is answered %d', async ([tag, status]) => {
  const agent = await newSubject(world);
  await expectChange(world, agent, { name: 'Second' }, { name: 'Second' });
  for (const method of ['GET', 'HEAD']) {
    const headers = { 'if-none-match': tag };
    const answer = await world.call(agent.key, `${method} /agents/${agent.id}`, { headers });
    expect(answer).toMatchObject({ status, headers: { etag: '"2"' } });
    expect(answer.text === '').toBe(status === 304 || method === 'HEAD');
    if (status === 304) {
      expect(answer.headers).not.toHaveProperty('content-type');
      expect(answer.headers).not.toHaveProperty('content-length');
    }
  }
});

test('an If-None-Match that cannot be parsed is refused', async () => {
  const agent = await newSubject(world);
  const detail = 'must be * or a list of entity tags, each in double quotes';
  const errors: Fault[] = [{ in: 'header', parameter: 'if-none-match', code: 'bad_format', detail }];
  const send = () => world.call(agent.key, `GET /agents/${agent.id}`, { headers: { 'if-none-match': '2' } });
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
});

test('GET refuses an agent that is deleted, unknown or of another company as PATCH does', async () => {
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const [deleted, foreign] = [await world.agent(company.id), await world.agent(other.id)];
  await world.deleteAgent(deleted.id);
  const refused = [
    [deleted.id, 'RESOURCE_NOT_FOUND'],
    ['00000000-0000-4000-8000-00000000dead', 'RESOURCE_NOT_FOUND'],
    [foreign.id, 'RESOURCE_ACCESS_DENIED'],
  ] as const;
  for (const [id, code] of refused) {
    const headers = { 'x-request-id': 'the-same' };
    const patched = await expectRefusal(world, id, () => world.patch(company.key, id, {}, { headers }), { code });
    const get = () => world.call(company.key, `GET /agents/${id}`, { headers });
    const read = await expectRefusal(world, id, get, { code });
    expect(read.text).toBe(patched.text);
  }
});

test('GET reports a malformed id and an unknown parameter in one answer', async () => {
  const { key } = await world.company();
  const answer = await world.call(key, 'GET /agents/7?fields=name');
  const uuid = 'must be a UUID: hexadecimal digits as 8-4-4-4-12';
  expect(answer).toMatchObject({
    status: 400,
    body: {
      errors: [
        { in: 'path', parameter: 'id', code: 'bad_format', detail: uuid },
        { in: 'query', parameter: 'fields', code: 'unknown_member' },
      ],
    },
  });
});

test('GET returns the last written state, whatever was read before', async () => {
  const { key, id } = await newSubject(world);
  const api = world.client(key);
  for (const duration of [41, 42, 43, 44]) {
    await api.patch(id, { duration });
    expect((await api.read(id)).data.duration).toBe(duration);
  }
});

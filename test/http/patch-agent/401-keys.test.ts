import { expect, test } from 'vitest';
import { expectRefusal, newSubject, type Subject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

type Authorization = string | readonly string[] | undefined;

/** A PATCH that renames the agent, if it is accepted. */
const send = ({ id }: Subject, authorization: Authorization, { query = '', headers = {} } = {}) =>
  world.send({
    path: `/agents/${id}${query}`,
    headers: { 'content-type': 'application/json', ...headers, ...(authorization !== undefined && { authorization }) },
    body: '{"name":"Let in"}',
  });

const unknownKey = `sk_${'0'.repeat(43)}`;

/** Authorization headers without a valid key, made from a valid one. */
const refused: Readonly<Record<string, (key: string) => Authorization>> = {
  'no header': () => undefined,
  'an empty header': () => '',
  'the scheme alone': () => 'Bearer',
  'the key alone': (key) => key,
  'another scheme': (key) => `Basic ${key}`,
  'a scheme that only begins like it': (key) => `Bearers ${key}`,
  'no space': (key) => `Bearer${key}`,
  'a colon': (key) => `Bearer: ${key}`,
  'a tab': (key) => `Bearer\t${key}`,
  'a key in quotes': (key) => `Bearer "${key}"`,
  'a key and more': (key) => `Bearer ${key} x`,
  'a key that is too long': (key) => `Bearer ${key}x`,
  'a key that is too short': (key) => `Bearer ${key.slice(0, -1)}`,
  'a key with another start': (key) => `Bearer SK_${key.slice(3)}`,
  'a key with its last character changed': (key) => `Bearer ${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`,
  'a key in another case': (key) => `Bearer sk_${key.slice(3).toUpperCase()}`,
  'characters that no key has': () => 'Bearer ééé',
  'an unknown key': () => `Bearer ${unknownKey}`,
  'two keys in one header': (key) => `Bearer ${key},Bearer ${key}`,
  'two headers, the first good': (key) => [`Bearer ${key}`, 'Bearer nope'],
  'two headers, the last good': (key) => ['Bearer nope', `Bearer ${key}`],
  'the same header twice': (key) => [`Bearer ${key}`, `Bearer ${key}`],
};

test.for(Object.entries(refused))('%s gets the same answer as every other invalid key', async ([, authorization]) => {
  const agent = await newSubject(world);
  const answer = await expectRefusal(world, agent.id, () => send(agent, authorization(agent.key)), {
    code: 'INVALID_API_KEY',
  });
  expect(answer.headers['www-authenticate']).toBe('Bearer');
});

const elsewhere = [
  { query: '?api_key=KEY' },
  { query: '?access_token=KEY' },
  { headers: { 'x-api-key': 'KEY' } },
  { headers: { cookie: 'authorization=Bearer KEY' } },
  { headers: { 'proxy-authorization': 'Bearer KEY' } },
];

test.for(elsewhere)('a key is read from the Authorization header only: %o', async (place) => {
  const agent = await newSubject(world);
  const filled = JSON.parse(JSON.stringify(place).replace('KEY', agent.key));
  await expectRefusal(world, agent.id, () => send(agent, undefined, filled), { code: 'INVALID_API_KEY' });
});

const accepted: Readonly<Record<string, (key: string) => string>> = {
  'in lower case': (key) => `bearer ${key}`,
  'in upper case': (key) => `BEARER ${key}`,
  'with several spaces behind it': (key) => `Bearer    ${key}`,
};

test.for(Object.entries(accepted))('the scheme %s is accepted', async ([, authorization]) => {
  const agent = await newSubject(world);
  const answer = await send(agent, authorization(agent.key));
  expect(answer).toMatchObject({ status: 200, body: { name: 'Let in' } });
});

/** Ways to end a key, alone and combined with other defects. */
const ends: Readonly<Record<string, (keyId: string) => Promise<unknown>>> = {
  revoked: (id) => world.keys.revoke(id),
  expired: (id) => world.sql.query('UPDATE api_key SET expires_at = now() WHERE id = $1', [id]),
  'revoked while suspended': (id) => world.keys.suspend(id).then(() => world.keys.revoke(id)),
  'expired while suspended': (id) =>
    world.sql.query('UPDATE api_key SET expires_at = now(), suspended_at = now() WHERE id = $1', [id]),
};

test.for(Object.entries(ends))(
  'a key that is %s is refused from the next request on, with the answer for an unknown key',
  async ([, end]) => {
    const agent = await newSubject(world);
    expect((await send(agent, `Bearer ${agent.key}`)).status).toBe(200);
    await end(agent.keyId);
    const refuse = () => send(agent, `Bearer ${agent.key}`);
    const answer = await expectRefusal(world, agent.id, refuse, { code: 'INVALID_API_KEY' });
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  },
);

test('a key with a later expiry is valid until then', async () => {
  const agent = await newSubject(world);
  await world.sql.query(`UPDATE api_key SET expires_at = now() + interval '1 hour' WHERE id = $1`, [agent.keyId]);
  expect((await send(agent, `Bearer ${agent.key}`)).status).toBe(200);
});

test('a suspended key answers 401 API_KEY_SUSPENDED from the next request on, and is valid again once resumed', async () => {
  const agent = await newSubject(world);
  expect((await send(agent, `Bearer ${agent.key}`)).status).toBe(200);
  await world.keys.suspend(agent.keyId);
  const refuse = () => send(agent, `Bearer ${agent.key}`);
  const answer = await expectRefusal(world, agent.id, refuse, { code: 'API_KEY_SUSPENDED' });
  expect(answer.headers['www-authenticate']).toBe('Bearer');
  await world.keys.resume(agent.keyId);
  expect((await send(agent, `Bearer ${agent.key}`)).status).toBe(200);
});

const tooFew = [
  ['no scope', []],
  ['read:agents alone', ['read:agents']],
  ['read:agents and delete:agents', ['read:agents', 'delete:agents']],
] as const;

test.for(tooFew)('a key with %s is refused, and body and header name the missing scope', async ([, scopes]) => {
  const agent = await newSubject(world);
  const key = await world.keyWith(agent.companyId, ...scopes);
  const answer = await expectRefusal(world, agent.id, () => send(agent, `Bearer ${key}`), {
    code: 'INSUFFICIENT_PERMISSIONS',
    detail: 'This API key lacks the scope write:agents.',
  });
  expect(answer.headers['www-authenticate']).toBe('Bearer error="insufficient_scope", scope="write:agents"');
});

test('a key with only the scope of the route is accepted', async () => {
  const agent = await newSubject(world);
  const key = await world.keyWith(agent.companyId, 'write:agents');
  expect((await send(agent, `Bearer ${key}`)).status).toBe(200);
});

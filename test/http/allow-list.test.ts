import { networkInterfaces } from 'node:os';
import { afterAll, expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { forAnyCompany, forCompany, onAgent, pathOf } from '../support/endpoints.ts';
import { send } from '../support/http.ts';
import { expectRefusal, newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

/** The tests connect from 127.0.0.1. */
const world = await openWorld();
const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

const renaming = (key: string, forwardedFor?: string) => ({
  headers: {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }),
  },
  body: '{"name":"Let in"}',
});

const own = ['127.0.0.1', '127.0.0.0/8', '0.0.0.0/0', '::ffff:127.0.0.1', '::ffff:127.0.0.0/104'];

test.for(own)('a key whose allow-list is %s is accepted from 127.0.0.1', async (block) => {
  const { id, companyId } = await newSubject(world);
  const key = await world.keyFrom(companyId, '192.0.2.1', block);
  expect(await world.send({ path: `/agents/${id}`, ...renaming(key) })).toMatchObject({
    status: 200,
    body: { name: 'Let in' },
  });
});

test.for(['127.0.0.2', '128.0.0.0/1', '::1', '::/0', '::7f00:1'])(
  'a key whose allow-list is %s is refused from 127.0.0.1 with 403 IP_NOT_ALLOWED',
  async (block) => {
    const { id, companyId } = await newSubject(world);
    const key = await world.keyFrom(companyId, block);
    const answer = await expectRefusal(world, id, () => world.send({ path: `/agents/${id}`, ...renaming(key) }), {
      code: 'IP_NOT_ALLOWED',
    });
    expect(answer.headers).not.toHaveProperty('www-authenticate');
  },
);

test.for(['{NULL}', '{{127.0.0.1}}'])('an allow-list of %s, which only SQL can store, lets nobody in', async (list) => {
  const { id, key, keyId } = await newSubject(world);
  await world.sql.query('UPDATE api_key SET allowed_ips = $2 WHERE id = $1', [keyId, list]);
  const ask = () => world.send({ path: `/agents/${id}`, ...renaming(key) });
  await expectRefusal(world, id, ask, { code: 'IP_NOT_ALLOWED' });
});

const forged = ['192.0.2.1', '127.0.0.1, 192.0.2.1', '192.0.2.1, 127.0.0.1'];

test.for(forged)('without TRUST_PROXY, the server ignores X-Forwarded-For: %s', async (forwardedFor) => {
  const { id, companyId } = await newSubject(world);
  const [here, there] = [await world.keyFrom(companyId, '127.0.0.1'), await world.keyFrom(companyId, '192.0.2.1')];
  const ask = (key: string) => world.send({ path: `/agents/${id}`, ...renaming(key, forwardedFor) });
  await expectRefusal(world, id, () => ask(there), { code: 'IP_NOT_ALLOWED' });
  expect((await ask(here)).status).toBe(200);
});

test('X-Forwarded-For of a proxy that TRUST_PROXY does not list is ignored', async () => {
  const { id, companyId } = await newSubject(world);
  const key = await world.keyFrom(companyId, '192.0.2.1');
  const { origin } = await openAnotherServer(world, { trustedProxies: ['127.0.0.2', '192.0.2.0/24', '::/0'] });
  const ask = () => send(origin, { path: `/agents/${id}`, ...renaming(key, '192.0.2.1') });
  await expectRefusal(world, id, ask, { code: 'IP_NOT_ALLOWED' });
});

const trustedProxies = ['127.0.0.1', '10.0.0.0/8'];
const behindProxy = await openAnotherServer(world, { trustedProxies }, afterAll);

/**
 * X-Forwarded-For as a trusted proxy at 127.0.0.1 sends it, and whether a key for 192.0.2.0/24 and 2001:db8::/32 is
 * accepted.
 */
const proxied: readonly [forwardedFor: string | undefined, isAccepted: boolean][] = [
  ['192.0.2.1', true],
  ['::ffff:192.0.2.1', true],
  ['2001:db8::7', true],
  ['192.0.3.1', false],
  ['2001:db9::7', false],
  // The caller is the last address that is no trusted proxy. Entries before it can be forged.
  ['203.0.113.9, 192.0.2.1', true],
  ['192.0.2.1, 203.0.113.9', false],
  ['192.0.2.1, 10.0.0.7', true],
  ['203.0.113.9, 10.0.0.7', false],
  ['192.0.2.1, 203.0.113.9, 10.0.0.7', false],
  ['unknown', false],
  // Entries may carry a port or brackets.
  ['192.0.2.1:4711', true],
  ['[2001:db8::7]:443', true],
  ['[2001:db8::7]', true],
  ['192.0.2.1, 10.0.0.7:80', true],
  ['192.0.2.1:', false],
  ['192.0.2.1:port', false],
  ['[192.0.2.1]:80', false],
  ['2001:db8::7]:443', false],
  ['', false],
  [undefined, false],
];

test.for(proxied)('behind a trusted proxy, X-Forwarded-For: %s is accepted: %s', async ([forwardedFor, isAccepted]) => {
  const { id, companyId } = await newSubject(world);
  const key = await world.keyFrom(companyId, '192.0.2.0/24', '2001:db8::/32');
  const ask = () => send(behindProxy.origin, { path: `/agents/${id}`, ...renaming(key, forwardedFor) });
  if (isAccepted) expect((await ask()).status).toBe(200);
  else await expectRefusal(world, id, ask, { code: 'IP_NOT_ALLOWED' });
});

test.each([
  [16, true],
  [17, false],
  [1_500, false],
])(
  'behind a trusted proxy, X-Forwarded-For with %i entries of further trusted proxies is accepted: %s',
  async (count, isAccepted) => {
    const { id, companyId } = await newSubject(world);
    const key = await world.keyFrom(companyId, '192.0.2.0/24');
    const ask = () =>
      send(behindProxy.origin, { path: `/agents/${id}`, ...renaming(key, `192.0.2.1${', 10.0.0.7'.repeat(count)}`) });
    if (isAccepted) expect((await ask()).status).toBe(200);
    else await expectRefusal(world, id, ask, { code: 'IP_NOT_ALLOWED' });
  },
);

test.runIf(hasIpv6)(
  'on a dual-stack socket, IPv4 callers match IPv4 entries alone and IPv6 callers IPv6 entries alone',
  async () => {
    const { companyId } = await newSubject(world);
    const { origin } = await openAnotherServer(world, { host: '::' });
    const { port } = new URL(origin);
    const status = async (host: string, ...blocks: string[]) => {
      const headers = { authorization: `Bearer ${await world.keyFrom(companyId, ...blocks)}` };
      return (await send(`http://${host}:${port}`, { method: 'GET', path: '/agents', headers })).status;
    };
    expect(await status('127.0.0.1', '127.0.0.1')).toBe(200);
    expect(await status('127.0.0.1', '::/0')).toBe(403);
    expect(await status('[::1]', '::1')).toBe(200);
    expect(await status('[::1]', '0.0.0.0/0')).toBe(403);
  },
);

test.for([...onAgent, ...forCompany, ...forAnyCompany])(
  '$line answers 403 to a caller whose address is not in the allow-list',
  async ({ line, body }) => {
    const { id, companyId } = await newSubject(world);
    const named = line.replace(':id', id);
    const answer = await world.call(await world.keyFrom(companyId, '192.0.2.1'), named, { body });
    expectProblem(answer, { code: 'IP_NOT_ALLOWED', instance: pathOf(named) });
  },
);

/** Entries that PostgreSQL does not accept as addresses, or reads as other addresses than the server does. */
const invalidEntries = [
  ...['nonsense', '', '999.0.0.1', '1.2.3', '127.0.0', '127.0.0.1/33', '127.0.0.0/08', '127.0.0.1 ', '127.0.0.1/'],
  ...[
    '1::2::3',
    ':::',
    ':',
    ':1::2',
    '1::2:',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '1:2:3:4::5:6:7:8',
  ],
  ...[
    'fe80::1%lo',
    '2001:db8::/129',
    '2001:db8::/032',
    '::g',
    '12345::',
    '::1.2.3.4',
    '::192.0.2.999',
    '2001:DB8::/32',
  ],
];

test('invalid entries of an allow-list match no address, and leave the other entries and other keys valid', async () => {
  const { id, companyId } = await newSubject(world);
  const [shut, open] = await Promise.all([
    Promise.all(invalidEntries.map((entry) => world.keyFrom(companyId, entry))),
    Promise.all(invalidEntries.map((entry) => world.keyFrom(companyId, entry, '127.0.0.1'))),
  ]);
  // With one connection all keys are looked up in one statement: an entry that made it fail would be a 500.
  const { origin } = await openAnotherServer(world, { connections: 1 });
  const status = async (key: string) => (await callsOf(origin).call(key, `GET /agents/${id}`)).status;
  expect(await Promise.all([...shut, ...open].map(status))).toEqual([...shut.map(() => 403), ...open.map(() => 200)]);
});

test.for(['::ffff:127.0.0.1', '::ffff:127.0.0.0/104', '::ffff:7f00:0/104', '::ffff:7f00:1'])(
  'a key whose allow-list is the IPv4-mapped %s is accepted from 127.0.0.1, with its agent',
  async (entry) => {
    const { id, companyId } = await newSubject(world);
    const answer = await world.call(await world.keyFrom(companyId, entry), `GET /agents/${id}`);
    expect(answer).toMatchObject({ status: 200, body: { id } });
  },
);

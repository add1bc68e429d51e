import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import { largeAgents, openUnreadList } from '../../support/large-lists.ts';
import { untilWaiting, whileLocked } from '../../support/locks.ts';
import { expectProblem } from '../../support/problem.ts';
import { head, RawSocket } from '../../support/raw-socket.ts';
import { newWebhook } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ docs: false });
let companyId: string;
/** A company with a large page of agents. */
let keys: readonly [string, string];

beforeAll(async () => {
  const company = await world.company();
  companyId = company.id;
  await largeAgents(world, companyId);
  keys = [company.key, (await world.newKey(companyId)).key];
});

/** A list whose answer is read at once. */
const list = (key: string, path = '/agents?limit=1') => world.call(key, `GET ${path}`);

const unread = (key: string, count: number, origin = world.origin) =>
  Promise.all(Array.from({ length: count }, () => openUnreadList(origin, key)));

/** Every list of the API. */
const lists = () => [
  ...['/agents?limit=1', `/agents/${agentId}/versions`, '/companies', '/phone-numbers'],
  ...['/webhooks', `/webhooks/${webhookId}/deliveries`],
];
let agentId: string;
let webhookId: string;

beforeAll(async () => {
  agentId = (await world.agent(companyId)).id;
  webhookId = (await newWebhook(world, keys[0])).id;
});

test('the lists that these tests read are all requests of the OpenAPI document whose answer has pages', async () => {
  const { body } = await world.call(keys[0], 'GET /openapi.json');
  const paths = Object.entries<object>(Object(body).paths);
  const paged = paths.filter(([, operations]) => Object(operations).get?.parameters?.some(isPage));
  const template = (path: string) => path.replace(/\?.*/, '').replace(/\/[0-9a-f-]{36}/, '/{id}');
  expect(lists().map(template).toSorted()).toEqual(paged.map(([path]) => path).toSorted());
});

const isPage = (parameter: object) => Object(parameter).name === 'page';

test('two lists of one key run at once and further ones wait, while lists of another key are served', async () => {
  const [key, other] = keys;
  const [first, second] = await unread(key, 2);
  const answered: string[] = [];
  const waiting = Promise.all(
    lists().map(async (path) => {
      const { status } = await list(key, path);
      answered.push(path);
      return status;
    }),
  );
  for (const path of lists()) expect((await list(other, path)).status).toBe(200);
  expect((await world.call(key, `GET /agents/${agentId}`)).status).toBe(200);
  expect(answered).toEqual([]);
  first?.leave();
  expect(await waiting).toEqual(lists().map(() => 200));
  expect((await second?.readAll())?.isWhole).toBe(true);
});

test('a list that waits too long answers 503 with Retry-After, and a later one is served', async () => {
  const [key] = keys;
  const { origin } = await openAnotherServer(world, { limits: 'production' });
  const one = () => callsOf(origin).call(key, 'GET /agents?limit=1');
  const running = await unread(key, 2, origin);
  const refused = await one();
  expectProblem(refused, { code: 'OVERLOADED', instance: '/agents' });
  expect(refused.headers['retry-after']).toBe('1');
  for (const { leave } of running) leave();
  expect((await one()).status).toBe(200);
});

test('50 lists of one key may wait, and one more answers 503 at once', async () => {
  const { key } = await world.newKey(companyId);
  const running = await unread(key, 2);
  const none = '/agents?name=nothing';
  const sent = Array.from({ length: 51 }, () => list(key, none));
  const first = await Promise.race(sent);
  for (const { leave } of running) leave();
  const answers = await Promise.all(sent);
  expectProblem(first, { code: 'OVERLOADED', instance: '/agents' });
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(50);
});

/** Requests for lists of the key that never end would keep others waiting. */
async function expectNoneRuns(key: string): Promise<void> {
  expect((await list(key)).status).toBe(200);
}

const listHead = (key: string, limit: number, requestId: string) =>
  head(
    `GET /agents?limit=${limit} HTTP/1.1`,
    'Host: api',
    `Authorization: Bearer ${key}`,
    `X-Request-Id: ${requestId}`,
  );

test('a client that disconnects during the lookup of its key, while its list waits or with lists queued behind a large one leaves no list running', async () => {
  const [key] = keys;
  await whileLocked(world, 'LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE', [], async () => {
    const ids = [randomUUID(), randomUUID()];
    await RawSocket.useMany(world.origin, 2, async (sockets) => {
      for (const [at, socket] of sockets.entries()) socket.write(listHead(key, 100, ids[at] ?? ''));
      await untilWaiting(world);
    });
    const isLogged = (id: string) => world.logLines.some((line) => line.includes(id));
    await vi.waitUntil(() => ids.every(isLogged), { timeout: 60_000, interval: 10 });
  });
  await expectNoneRuns(key);

  await RawSocket.use(world.origin, async (socket) => {
    socket.write(Array.from({ length: 5 }, () => listHead(key, 100, randomUUID())).join(''));
    // Once this is answered, the key of the last list has been looked up.
    expect((await world.call(key, `GET /agents/${agentId}`)).status).toBe(200);
  });
  await expectNoneRuns(key);
});

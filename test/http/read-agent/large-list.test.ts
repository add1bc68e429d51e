import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { portionStatement } from '../../../src/agents/statements.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { openLink } from '../../support/database-link.ts';
import { directCaller } from '../../support/direct-caller.ts';
import { send } from '../../support/http.ts';
import { largeAgents, largePage, openUnreadList } from '../../support/large-lists.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ docs: false });
let companyId: string;
let key: string;
let ids: readonly string[];

beforeAll(async () => {
  ({ id: companyId, key } = await world.company());
  ids = await largeAgents(world, companyId);
});

/** The JSON of each agent as GET answers it. */
async function textsOf(some: readonly string[], bearer: string): Promise<string[]> {
  const texts: string[] = [];
  for (const id of some) texts.push((await world.call(bearer, `GET /agents/${id}`)).text);
  return texts;
}

const get = (origin: string, path: string) =>
  send(origin, { method: 'GET', path, headers: { authorization: `Bearer ${key}` } });

/** A server that counts the portions that it reads after the first of each page. */
async function openCountingServer() {
  let portions = 0;
  const { origin } = await openAnotherServer(world, {
    onStatement: (sql) => {
      if (sql === portionStatement('', []).text) portions += 1;
    },
  });
  return { origin, portions: () => portions };
}

/** All log lines of a request, once its last line is written. */
async function linesOf(requestId: string): Promise<Record<string, unknown>[]> {
  const lines = () => world.logLines.filter((line) => line.includes(requestId)).map((line) => JSON.parse(line));
  await vi.waitUntil(() => lines().some(({ msg }) => msg === 'request'), { timeout: 60_000, interval: 10 });
  return lines();
}

test('a large page holds every agent with the bytes that GET answers, in the form of a small page', async () => {
  const texts = await textsOf(ids, key);
  const page = await world.call(key, 'GET /agents?limit=100');
  const small = await world.call(key, 'GET /agents?limit=1');
  const pagination = {
    total: largePage,
    page: 1,
    limit: 100,
    totalPages: 1,
    hasNextPage: false,
    hasPreviousPage: false,
  };
  expect(page.status).toBe(200);
  expect(page.text === `{"data":[${texts.join(',')}],"pagination":${JSON.stringify(pagination)}}`).toBe(true);
  expect(small.text).toBe(
    `{"data":[${texts[0]}],"pagination":${JSON.stringify({ ...pagination, limit: 1, totalPages: largePage, hasNextPage: true })}}`,
  );
  const { 'x-request-id': ofPage, date: pageDate, 'transfer-encoding': encoding, ...rest } = page.headers;
  const { 'x-request-id': ofSmall, date: smallDate, 'content-length': length, ...others } = small.headers;
  expect(rest).toEqual(others);
  expect([encoding, length]).toEqual(['chunked', String(Buffer.byteLength(small.text))]);
});

test('agents on a page are complete, wherever its portions end: small and large ones, filtered, and on a later page', async () => {
  const company = await world.company();
  const large = await largeAgents(world, company.id, 16);
  const small = await Promise.all(Array.from({ length: 30 }, () => world.agent(company.id, { language: 'DE' })));
  await world.sql.query(`UPDATE agent SET created_at = now() - random() * interval '1 minute' WHERE company_id = $1`, [
    company.id,
  ]);
  const { rows } = await world.sql.query<{ id: string }>(
    'SELECT id FROM agent WHERE company_id = $1 ORDER BY created_at DESC, id DESC',
    [company.id],
  );
  const order = rows.map(({ id }) => id);
  expect(order).toHaveLength(large.length + small.length);
  for (const [query, listed] of [
    ['limit=100', order],
    ['limit=20&page=2', order.slice(20, 40)],
    ['limit=100&language=EN', order.filter((id) => large.includes(id))],
  ] as const) {
    const { text } = await world.call(company.key, `GET /agents?${query}`);
    expect(text.startsWith(`{"data":[${(await textsOf(listed, company.key)).join(',')}],"pagination":{`)).toBe(true);
    expect(JSON.parse(text).data).toHaveLength(listed.length);
  }
});

test('an agent that is deleted while a page is sent stays on it, a changed one has its new values, and an erased one is left out', async () => {
  const company = await world.company();
  const made = await largeAgents(world, company.id);
  const [erased = '', deleted = '', changed = ''] = made.slice(-3);
  const list = await openUnreadList(world.origin, company.key);
  await world.patch(company.key, changed, { name: 'Changed meanwhile' });
  await world.deleteAgent(deleted);
  await world.deleteAgent(erased);
  await world.purgeAgent(erased);
  const { text, isWhole } = await list.readAll();
  const { data, pagination } = JSON.parse(text);
  const listed: { id: string; name: string }[] = data;
  expect(isWhole).toBe(true);
  expect(listed.map(({ id }) => id)).toEqual(made.filter((id) => id !== erased));
  expect(listed.at(-1)).toMatchObject({ id: changed, name: 'Changed meanwhile' });
  expect(pagination).toMatchObject({ total: largePage, hasNextPage: false });
});

test('a portion holds agents of the caller’s company alone, whatever the ids are', async () => {
  const [own, other] = [await world.company(), await world.company()];
  const [mine, foreign] = [await world.agent(own.id), await world.agent(other.id)];
  const { agents, rest } = await world.agents.portion(directCaller(own), [foreign.id, mine.id, foreign.id]);
  expect([agents.map(({ id }) => id), rest]).toEqual([[mine.id], []]);
});

test('a portion is read once the socket has taken the portions before it, and none after the client has disconnected', async () => {
  const { origin, portions } = await openCountingServer();
  await get(origin, '/agents?limit=100');
  const whole = portions();
  const requestId = randomUUID();
  const list = await openUnreadList(origin, key, { 'x-request-id': requestId });
  await get(origin, '/agents?limit=100');
  const ofUnread = portions() - 2 * whole;
  expect(ofUnread).toBeLessThan(whole);
  list.leave();
  expect(await linesOf(requestId)).toMatchObject([{ level: 30, msg: 'request', status: 200 }]);
  await get(origin, '/agents?limit=100');
  expect(portions()).toBe(ofUnread + 3 * whole);
});

test('HEAD on a list reads one portion', async () => {
  const { origin, portions } = await openCountingServer();
  const authorization = `Bearer ${key}`;
  const answer = await send(origin, { method: 'HEAD', path: '/agents?limit=100', headers: { authorization } });
  expect([answer.status, answer.text, portions()]).toEqual([200, '', 0]);
});

test('if the database fails within a page, the connection is closed and one error is logged under the request id', async () => {
  const link = await openLink(world.databaseUrl);
  const { origin } = await openAnotherServer(world, { databaseUrl: link.url });
  const requestId = randomUUID();
  const list = await openUnreadList(origin, key, { 'x-request-id': requestId });
  await link.cutOff();
  const { text, isWhole } = await list.readAll();
  expect(isWhole).toBe(false);
  expect(text.startsWith(`{"data":[{"id":"${ids[0]}"`)).toBe(true);
  expect(text).not.toContain('"pagination"');
  const lines = await linesOf(requestId);
  expect(lines.map(({ level, msg }) => [level, msg]).toSorted()).toEqual([
    [30, 'request'],
    [50, 'DATABASE_UNAVAILABLE'],
  ]);
  await link.repair();
  expect((await get(origin, '/agents?limit=1')).status).toBe(200);
});

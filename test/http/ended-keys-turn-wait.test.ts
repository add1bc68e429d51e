import { expect, test } from 'vitest';
import { pageStatement } from '../../src/agents/statements.ts';
import { lookupSql, singleLookupSql } from '../../src/auth/lookup.statements.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { ends } from '../support/ended-keys.ts';
import { pathOf } from '../support/endpoints.ts';
import { heldStatements } from '../support/held-statements.ts';
import { expectProblem } from '../support/problem.ts';
import { untilOutdated } from '../support/slow-body.ts';
import { newWebhook } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });
const page = pageStatement('', { page: 1, limit: 1 }).text;
const isLookup = (sql: string) => sql === lookupSql || sql === singleLookupSql;

/**
 * Sends a large read on a server of its own, which waits for its turn after its key was looked up, until that is more than a
 * second ago and `meanwhile` has ended.
 */
async function readLate(key: string, line: string, companyId: string, meanwhile: () => Promise<unknown>) {
  const { hold, onStatement } = heldStatements();
  const { origin } = await openAnotherServer(world, { onStatement });
  const { call } = callsOf(origin);
  const list = () => call(key, `GET /agents?limit=1&companyId=${companyId}`);
  // Two large requests of a key run: a list, whose statement is held, and the read, whose lookup is.
  const statement = hold((sql) => sql === page);
  const running = list();
  await statement.reached();
  const lookup = hold(isLookup);
  const read = call(key, line);
  await lookup.reached();
  // Once one of 51 is refused, the others wait. The first of them runs when the lookup of the read ends.
  const others = Array.from({ length: 51 }, list);
  expect(await Promise.race(others)).toMatchObject({ status: 503 });
  const next = hold(isLookup);
  lookup.release();
  await next.reached();
  await untilOutdated(performance.now());
  await meanwhile();
  statement.release();
  next.release();
  const answer = await read;
  await Promise.all([running, ...others]);
  return answer;
}

const rename = (companyId: string) =>
  world.sql.query(`UPDATE agent SET name = 'Changed later' WHERE company_id = $1`, [companyId]);

test('no large read is answered whose turn comes more than a second after the lookup of a key that has ended', async () => {
  const { id: companyId, key: other } = await world.company();
  const { id } = await world.agent(companyId);
  const webhook = await newWebhook(world, other);
  const paths = [
    ...['/agents', `/agents/${id}/versions`, `/agents/${id}/versions/1`, `/agents/${id}/versions/1/diff`],
    ...['/companies', '/phone-numbers', '/webhooks', `/webhooks/${webhook.id}/deliveries`],
  ];
  const ended = paths.map(async (path) => {
    const { key, id: keyId } = await world.newKey(companyId);
    const answer = await readLate(key, `GET ${path}`, companyId, async () => ends.revoked?.end(world, keyId));
    expectProblem(answer, { code: 'INVALID_API_KEY', instance: path });
  });
  await Promise.all(ended);
});

test('a list whose turn comes more than a second after its key was looked up shows nothing newer than the end, whatever ended the key', async () => {
  const { 'without its scope': _, ...ofReaders } = ends;
  const ended = Object.values(ofReaders).map(async ({ end, code }) => {
    const { id: companyId } = await world.company();
    await world.agent(companyId);
    const { key, keyId } = await world.ats(companyId);
    const line = `GET /agents?companyId=${companyId}`;
    const answer = await readLate(key, line, companyId, async () => {
      await end(world, keyId);
      await rename(companyId);
    });
    expectProblem(answer, { code, instance: pathOf(line) });
  });
  await Promise.all(ended);
});

test('a list of a key that stays valid is answered, however long it waited for its turn', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await world.agent(companyId);
  const answer = await readLate(key, 'GET /agents', companyId, () => rename(companyId));
  expect(answer).toMatchObject({
    status: 200,
    body: { data: [{ id, name: 'Changed later' }], pagination: { total: 1 } },
  });
});

import { randomUUID } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { portionStatement } from '../../src/agents/statements.ts';
import { lookupSql, singleLookupSql } from '../../src/auth/lookup.statements.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { ends } from '../support/ended-keys.ts';
import { largeAgents, openUnreadList } from '../support/large-lists.ts';
import { untilOutdated } from '../support/slow-body.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });
const portion = portionStatement('', []).text;
const isLookup = (sql: string) => sql === lookupSql || sql === singleLookupSql;

/** A company with a page of two portions, and a key of an integration for it. */
async function newSubject() {
  const { id: companyId } = await world.company();
  const ids = await largeAgents(world, companyId, 8);
  const { key, keyId } = await world.ats(companyId);
  return { companyId, ids, key, keyId };
}

/**
 * Reads the page on a server of its own. Its first portion is held until the lookup of the key is more than a second old and
 * `meanwhile` has ended. Returns the lookups and later portions, too.
 */
async function readHeld({ companyId, key }: Awaited<ReturnType<typeof newSubject>>, meanwhile: () => Promise<unknown>) {
  const sent: string[] = [];
  const hold = async () => {
    await untilOutdated(performance.now());
    await meanwhile();
  };
  let held: Promise<void> | undefined;
  const { origin } = await openAnotherServer(world, {
    async onStatement(sql) {
      sent.push(sql);
      if (isLookup(sql)) return;
      held ??= hold();
      await held;
    },
  });
  const requestId = randomUUID();
  const list = await openUnreadList(origin, key, { 'x-request-id': requestId }, `&companyId=${companyId}`);
  const read = await list.readAll();
  const lines = () => world.logLines.filter((line) => line.includes(requestId)).map((line) => JSON.parse(line));
  await vi.waitUntil(() => lines().some(({ msg }) => msg === 'request'), { timeout: 60_000, interval: 10 });
  return { ...read, lines: lines(), lookups: sent.filter(isLookup), portions: sent.filter((sql) => sql === portion) };
}

const rename = (id: string) => world.sql.query(`UPDATE agent SET name = 'Changed later' WHERE id = $1`, [id]);

test('a list sends no later portion once its key or grant ended more than a second ago, whatever ended it', async () => {
  const { 'without its scope': _, ...ofReaders } = ends;
  const ended = Object.values(ofReaders).map(async ({ end, code }) => {
    const subject = await newSubject();
    const last = subject.ids.at(-1) ?? '';
    const read = await readHeld(subject, async () => {
      await end(world, subject.keyId);
      await rename(last);
    });
    expect([read.isWhole, read.portions, read.lookups]).toEqual([false, [], [singleLookupSql, singleLookupSql]]);
    expect(read.text.startsWith(`{"data":[{"id":"${subject.ids[0]}"`)).toBe(true);
    for (const unsent of [last, 'Changed later', '"pagination"']) expect(read.text).not.toContain(unsent);
    expect(read.lines).toMatchObject([
      { level: 30, msg: code },
      { level: 30, msg: 'request', status: 200 },
    ]);
  });
  await Promise.all(ended);
});

test('a list of a key that stays valid is sent whole, and looks its key up again before a portion that it reads a second later', async () => {
  const subject = await newSubject();
  const read = await readHeld(subject, () => rename(subject.ids.at(-1) ?? ''));
  expect([read.isWhole, read.portions, read.lookups]).toEqual([true, [portion], [singleLookupSql, singleLookupSql]]);
  const { data }: { data: { id: string; name: string }[] } = JSON.parse(read.text);
  expect(data.map(({ id }) => id)).toEqual(subject.ids);
  expect(data.at(-1)?.name).toBe('Changed later');
  expect(read.lines).toMatchObject([{ level: 30, msg: 'request', status: 200 }]);
});

test('a list of one portion looks its key up once', async () => {
  const { companyId, key } = await newSubject();
  const sent: string[] = [];
  const { origin } = await openAnotherServer(world, { onStatement: (sql) => sent.push(sql) });
  expect((await callsOf(origin).call(key, `GET /agents?limit=1&companyId=${companyId}`)).status).toBe(200);
  expect(sent.filter(isLookup)).toEqual([singleLookupSql]);
  expect(sent).not.toContain(portion);
});

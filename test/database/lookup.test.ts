import { randomUUID } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { apiKeyRepository } from '../../src/auth/lookup.repository.ts';
import { type Lookup, lookupSql, lookupValues, singleLookupSql } from '../../src/auth/lookup.statements.ts';
import { arrayText } from '../../src/database/array-text.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const database = openLimited('patient', world.databaseUrl, 2);
afterAll(() => database.close());

test('a lookup has the same result alone as in a batch: each state of a key, each owner, with and without the agent', async () => {
  const { id: agentId, companyId } = await newSubject(world);
  const { companyId: elsewhere } = await newSubject(world);
  const { id: integrationId } = await world.ats(companyId);
  const insert = `INSERT INTO api_key (company_id, integration_id, start, hash, scopes, allowed_ips, revoked_at, expires_at, suspended_at)
    SELECT company, integration, 'sk_', hash, '{read:agents}', coalesce(ips, '{}'), revoked, expires, suspended
      FROM json_to_recordset($1) AS k(company uuid, integration uuid, hash text, ips text[], revoked timestamptz,
                                      expires timestamptz, suspended timestamptz)`;
  const past = '2001-01-01T00:00:00Z';
  const states = [{}, { ips: ['192.0.2.0/24'] }, { revoked: past }, { expires: past }, { suspended: past }];
  const owners = [{ company: companyId }, { integration: integrationId }];
  const keys = owners.flatMap((owner) => states.map((state) => ({ ...owner, ...state, hash: randomUUID() })));
  await world.sql.query(insert, [JSON.stringify(keys)]);
  const asked = { formerHash: null, companyId, agentId, address: '192.0.2.1', scope: 'read:agents' as const };
  const lookups: Lookup[] = [...keys, { hash: 'none' }].flatMap(({ hash }) => [
    { ...asked, hash },
    { ...asked, hash: 'none', formerHash: hash },
    { ...asked, hash, agentId: null, address: null },
    { ...asked, hash, companyId: elsewhere, scope: 'write:agents' },
    { ...asked, hash, companyId: null, address: '198.51.100.1', scope: undefined },
  ]);
  const values = lookups.map(lookupValues);
  const columns = values[0]?.map((_, column) => arrayText(values.map((each) => each[column] ?? null)));
  const among = (await world.sql.query(lookupSql, columns)).rows.map(found);
  const alone: unknown[] = [];
  for (const each of values) alone.push(...(await world.sql.query(singleLookupSql, each)).rows.map(found));
  expect(alone).toEqual(among);
  expect(among.filter(({ agentWasRead }) => agentWasRead)).toHaveLength(8);
  expect(among.filter(({ key }) => key === null)).toHaveLength(5);
});

test('lookups of one agent in one batch have the results that each has alone, whatever they differ in', async () => {
  const { id: agentId, companyId } = await newSubject(world);
  const { companyId: elsewhere } = await newSubject(world);
  const { id: integrationId } = await world.ats(companyId);
  const hashes = [randomUUID(), randomUUID()];
  await world.sql.query(
    `INSERT INTO api_key (integration_id, start, hash, scopes, allowed_ips)
       SELECT $1, 'sk_', hash, '{read:agents}', '{192.0.2.0/24}' FROM unnest($2::text[]) AS hash`,
    [integrationId, hashes],
  );
  const [hash = '', other = ''] = hashes;
  const read: Lookup = { hash, formerHash: null, companyId, agentId, address: '192.0.2.1', scope: 'read:agents' };
  const former = { ...read, hash: 'none', formerHash: hash };
  // Each with a second one that differs in one part.
  const lookups: Lookup[] = [
    ...[read, { ...read, hash: other }, read, { ...read, companyId: elsewhere }, read, { ...read, agentId: null }],
    ...[read, { ...read, address: null }, read, { ...read, scope: 'write:agents' as const }, read, read],
    ...[former, { ...former, formerHash: other }],
  ];
  const { lookUp } = apiKeyRepository(database);
  const shown = async (lookup: Lookup) => {
    const { key, agentWasRead, agent } = await lookUp(lookup, performance.now() + 60_000);
    return { key, agentWasRead, agent: agent?.id };
  };
  const alone = [];
  for (const lookup of lookups) alone.push(await shown(lookup));
  expect(await Promise.all(lookups.map(shown))).toEqual(alone);
});

test('a key whose lists hold NULL or lists, which only SQL can store, fails no other lookup of its batch', async () => {
  const { id: agentId, companyId } = await newSubject(world);
  const hashes = [randomUUID(), randomUUID()];
  const [odd = '', plain = ''] = hashes;
  await world.sql.query(
    `INSERT INTO api_key (company_id, start, hash, scopes, allowed_ips)
     VALUES ($1, 'sk_', $2, '{{read:agents},{NULL}}', '{NULL}'), ($1, 'sk_', $3, '{read:agents}', '{}')`,
    [companyId, ...hashes],
  );
  const { lookUp } = apiKeyRepository(database);
  const asked = { formerHash: null, companyId, agentId, address: '192.0.2.1', scope: 'read:agents' as const };
  const ofBatch = [odd, plain].map((hash) => lookUp({ ...asked, hash }, performance.now() + 60_000));
  const [ofOdd, ofPlain] = await Promise.all(ofBatch);
  expect(ofPlain).toMatchObject({ agentWasRead: true, agent: { id: agentId } });
  expect(ofOdd).toMatchObject({ agentWasRead: false, key: { scopes: [['read:agents'], [null]], allowedIps: [null] } });
});

function found({ json }: { readonly json: string }) {
  const { databaseTime, ...rest } = JSON.parse(json);
  expect(databaseTime).toBeGreaterThan(0);
  return rest;
}

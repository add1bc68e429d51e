import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Lookup, lookupSql, lookupValues, singleLookupSql } from '../../src/auth/lookup.statements.ts';
import { arrayText } from '../../src/database/array-text.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('a lookup finds the same alone as among others: each state of a key, each owner, with and without the agent', async () => {
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

function found({ json }: { readonly json: string }) {
  const { databaseTime, ...rest } = JSON.parse(json);
  expect(databaseTime).toBeGreaterThan(0);
  return rest;
}

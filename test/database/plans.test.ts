import { randomUUID } from 'node:crypto';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { agentRepository } from '../../src/agents/repository.ts';
import type { Decide } from '../../src/agents/write/decision.ts';
import { hashKey, makeKey } from '../../src/auth/api-key.ts';
import { apiKeyRepository } from '../../src/auth/lookup.repository.ts';
import { recentWrites } from '../../src/database/recent-writes.ts';
import { Deadline } from '../../src/http/deadline.ts';
import { silent } from '../../src/metrics/meter.ts';
import { connect } from '../support/connection.ts';
import { explain, recording } from '../support/plans.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

/** The blocks that both statements of a PATCH read, on tables so large that a scan of one would be noticed. */
const world = await openWorld({ docs: false });

const agents = 200_000;
const keys = 200_000;
const endpoints = 10_000;
const most = 32;
let callers: readonly { readonly companyId: string; readonly keyId: string; readonly hash: string }[];
let ids: readonly string[];

beforeAll(async () => {
  const filler = await connect(world.ownerUrl);
  // Without triggers, which check every row. VACUUM would wait for a running autovacuum of the table.
  await filler.query('SET statement_timeout = 0; SET lock_timeout = 0; SET session_replication_role = replica');
  const company = await world.company();
  await filler.query(
    `INSERT INTO api_key (company_id, start, hash, scopes)
     SELECT $1, 'sk_filler', md5(n::text), '{read:agents,write:agents}' FROM generate_series(1, ${keys}) n`,
    [company.id],
  );
  callers = await Promise.all(
    Array.from({ length: most }, async () => {
      const { id: companyId } = await world.company();
      const key = makeKey();
      const hash = hashKey(key, world.secret);
      const { rows } = await world.sql.query(
        `INSERT INTO api_key (company_id, start, hash, scopes) VALUES ($1, 'sk_known', $2, '{read:agents,write:agents}') RETURNING id`,
        [companyId, hash],
      );
      return { companyId, keyId: rows[0].id, hash };
    }),
  );
  await filler.query(
    `INSERT INTO agent (company_id, name, type, focus, language, duration)
     SELECT ($1::uuid[])[1 + n % ${most}], 'Agent ' || n, 'ONLINE', 'GENERIC', 'EN', 30 FROM generate_series(0, ${agents - 1}) n`,
    [callers.map(({ companyId }) => companyId)],
  );
  await filler.query(
    `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields)
     SELECT id, 1, created_at, '{"name": "Agent"}', '{name}' FROM agent`,
  );
  await filler.query(
    `WITH owner AS (INSERT INTO company (name) SELECT 'Owner ' || n FROM generate_series(1, ${endpoints}) n RETURNING id)
     INSERT INTO webhook_endpoint (company_id, url, events, sealed_secret, sealed_under)
     SELECT id, 'https://example.com/hook', '{*}', 'sealed', '0000' FROM owner`,
  );
  await filler.query(
    `WITH made AS (INSERT INTO integration (name) SELECT 'Integration ' || n FROM generate_series(1, 100) n RETURNING id)
     INSERT INTO integration_company (integration_id, company_id)
     SELECT made.id, e.company_id FROM made, webhook_endpoint e TABLESAMPLE BERNOULLI (1)`,
  );
  for (const table of ['agent', 'agent_version', 'api_key', 'webhook_endpoint', 'integration_company'])
    await filler.query(`VACUUM (ANALYZE) ${table}`);
  // Agents on pages of their own: a page has room for few versions of its rows while an autovacuum keeps the old ones.
  const found = await filler.query(
    'SELECT DISTINCT ON (company_id) id, company_id FROM agent ORDER BY company_id, md5(id::text)',
  );
  const idOf = new Map<string, string>(found.rows.map(({ id, company_id }) => [company_id, id]));
  ids = callers.map(({ companyId }) => idOf.get(companyId) ?? '');
  await filler.end();
});

/** Changes the duration to a value that the agent does not have, and no other field. */
const decide: Decide = (found) => {
  if (!found) throw new Error('not found');
  const { content } = found.agent;
  return { content: { ...content, duration: content.duration + 1 }, changedFields: ['duration'] };
};

/** The two statements of a server for `count` PATCHes of as many keys that arrive together. */
async function statementsFor(count: number) {
  const pool = openLimited('patient', world.databaseUrl, 4);
  onTestFinished(() => pool.close());
  const { sent, database } = recording(pool);
  const writes = recentWrites();
  const repository = apiKeyRepository(database, silent, writes);
  const rows = agentRepository(database, silent, writes);
  const deadline = new Deadline(performance.now(), 60_000);
  // Lookups that are requested in one turn of the event loop form one batch.
  const asked = callers.slice(0, count).map((caller, place) => ({ ...caller, id: ids[place] ?? '' }));
  const lookups = await Promise.all(
    asked.map(async (each) => {
      const lookup = {
        ...each,
        formerHash: null,
        companyId: null,
        agentId: each.id,
        address: null,
        scope: 'write:agents' as const,
      };
      return { ...each, lookup, found: await repository.lookUp(lookup, performance.now() + 60_000) };
    }),
  );
  const [lookup] = sent.splice(0);
  await Promise.all(
    lookups.map(({ companyId, keyId, id, lookup: asked, found }) => {
      expect(found).toMatchObject({ agent: { id }, key: { id: keyId } });
      const admission = {
        lookedUpAt: found.at,
        databaseTime: Number.POSITIVE_INFINITY,
        lookup: asked,
        check: () => {},
      };
      const by = { companyId, keyId, requestId: randomUUID(), address: null, deadline, admission };
      return rows.change({ id, phoneNumberId: null, readAhead: found }, by, decide);
    }),
  );
  // The last statement: for a company with a webhook the change is sent again, with events.
  const change = sent.at(-1);
  if (!lookup || !change) throw new Error('the statements were not sent');
  return { lookup, change };
}

/** Undoes the changes of agents, so that the statement can make them again. */
async function takeBack(): Promise<void> {
  await world.sql.query('UPDATE agent SET version = 1, updated_at = created_at WHERE id = ANY($1)', [ids]);
  await world.sql.query('DELETE FROM agent_version WHERE agent_id = ANY($1) AND version > 1', [ids]);
}

const tableScans = ({ scans }: { readonly scans: readonly string[] }) => scans.filter((scan) => scan.startsWith('Seq'));

test.for([1, 5, most])('%i PATCHes together read a few blocks each, found by indexes', async (count) => {
  const { lookup, change } = await statementsFor(count);
  await takeBack();
  const found = await explain(world.databaseUrl, lookup);
  const changed = await explain(world.databaseUrl, change);
  expect([found.rows, changed.rows]).toEqual([count, count]);
  expect([...tableScans(found), ...tableScans(changed)]).toEqual([]);
  // Eight, and rarely one more for a lookup: where the end of an index page is met.
  expect(found.blocks).toBeLessThanOrEqual(9 * count);
  expect(changed.blocks).toBeLessThanOrEqual(32 * count);
});

test('a PATCH of a company with a webhook finds the endpoint by an index', async () => {
  const [subject] = callers;
  await world.sql.query(
    `INSERT INTO webhook_endpoint (company_id, url, events, sealed_secret, sealed_under)
     VALUES ($1, 'https://example.com/hook', '{*}', 'sealed', '0000')`,
    [subject?.companyId],
  );
  onTestFinished(async () => {
    await world.sql.query('DELETE FROM webhook_endpoint WHERE company_id = $1', [subject?.companyId]);
  });
  const { change } = await statementsFor(1);
  await takeBack();
  const changed = await explain(world.databaseUrl, change);
  expect(changed.rows).toBe(1);
  expect(tableScans(changed)).toEqual([]);
  expect(changed.blocks).toBeLessThanOrEqual(80);
});

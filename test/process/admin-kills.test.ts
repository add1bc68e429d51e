import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { adminOf } from '../support/admin.ts';
import { build, startProcess } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const admin = adminOf(world);
const program = join(import.meta.dirname, '..', '..', 'dist', 'admin.js');

beforeAll(build);

const start = (...parameters: string[]) =>
  startProcess([process.execPath, program, ...parameters], {
    env: { DATABASE_URL: world.ownerUrl, API_KEY_SECRET: world.secret },
  });

/** Agents of a company, each with versions that are 31 days old, written by SQL. */
async function manyAgents(companyId: string, agents: number, versions: number) {
  await world.sql.query(
    `WITH made AS (
       INSERT INTO agent (company_id, version, name, type, focus, language, duration)
       SELECT $1, $3::int, 'Agent ' || n, 'ONLINE', 'GENERIC', 'EN', 30 FROM generate_series(1, $2::int) n RETURNING id
     )
     INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator)
     SELECT id, v, now() - interval '31 days' + v * interval '1 millisecond', '{}', '{}', 'tester'
       FROM made, generate_series(1, $3::int) v`,
    [companyId, agents, versions],
  );
}

/** The row counts of a company's tables, and the number of gaps between versions. */
async function countsOf(companyId: string) {
  const { rows } = await world.sql.query(
    `SELECT count(*)::int AS agents, coalesce(sum(h.versions), 0)::int AS versions,
            (count(*) FILTER (WHERE h.newest <> a.version OR h.newest - h.oldest + 1 <> h.versions))::int AS broken
       FROM agent a, LATERAL (SELECT count(*) AS versions, min(version) AS oldest, max(version) AS newest
                                FROM agent_version WHERE agent_id = a.id) h WHERE a.company_id = $1`,
    [companyId],
  );
  return rows[0];
}

/** The sum of a count in the audit entries of an action. */
async function sumOf(action: string, name: string): Promise<number> {
  const { rows } = await world.sql.query(
    `SELECT coalesce(sum((details->>$2)::int), 0)::int AS sum FROM audit_entry WHERE action = $1`,
    [action, name],
  );
  return rows[0].sum;
}

/**
 * Kills a command after its first batch is committed, while the second one waits for a lock.
 * @param table that the second batch cannot write to
 */
async function killMidway(parameters: string[], action: string, name: string) {
  // One more audit entry can be written, then none until this transaction ends.
  const client = await world.sql.connect();
  await world.sql.query(`
    CREATE FUNCTION wait_at_second() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF EXISTS (SELECT FROM audit_entry WHERE action = NEW.action) THEN PERFORM pg_advisory_xact_lock(1); END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER wait_at_second BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION wait_at_second()`);
  await client.query('SELECT pg_advisory_lock(1)');
  const started = start(...parameters);
  const isWaiting = async () => {
    const { rows } = await world.sql.query(
      `SELECT count(*)::int AS waiting FROM pg_locks
        WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    return rows[0].waiting > 0;
  };
  let hasEnded = false;
  const ended = started.exit.then(() => {
    hasEnded = true;
  });
  await vi.waitUntil(async () => hasEnded || (await isWaiting()), { timeout: 170_000, interval: 20 });
  expect({ hasEnded, stderr: started.stderr }).toEqual({ hasEnded: false, stderr: '' });
  started.signal('SIGKILL');
  await ended;
  const committed = await sumOf(action, name);
  await client.query('SELECT pg_advisory_unlock(1)');
  client.release();
  await expect.poll(isWaiting).toBe(false);
  await world.sql.query('DROP TRIGGER wait_at_second ON audit_entry; DROP FUNCTION wait_at_second()');
  return committed;
}

test('a killed prune has deleted what its audit entries say; the next one deletes the rest, and the counts add up', async () => {
  const { id: companyId } = await world.company();
  // One agent has more versions than a batch.
  await manyAgents(companyId, 1, 9_000);
  await manyAgents(companyId, 700, 10);
  const parameters = ['history', 'prune', '--older-than', '30', '--keep', '2'];
  const committed = await killMidway(parameters, 'history.pruned', 'versions');
  expect(committed).toBeGreaterThan(0);
  const all = 9_000 + 7_000;
  const mid = await countsOf(companyId);
  // A statement whose client was killed may still be committed.
  const removed = await sumOf('history.pruned', 'versions');
  expect(mid).toEqual({ agents: 701, versions: all - removed, broken: 0 });
  const { versions } = await admin(...parameters);
  expect(await countsOf(companyId)).toEqual({ agents: 701, versions: 2 * 701, broken: 0 });
  expect(await sumOf('history.pruned', 'versions')).toBe(all - 2 * 701);
  expect(versions).toBe(all - 2 * 701 - removed);
  expect(await admin(...parameters)).toEqual({ versions: 0, agents: 0 });
});

test('a killed erasure has deleted what its audit entries say; the next one deletes the rest and prints the sums of both', async () => {
  const { id: companyId, keyId } = await world.company();
  const other = await world.company();
  await manyAgents(other.id, 10, 3);
  await manyAgents(companyId, 1, 9_000);
  await manyAgents(companyId, 1_200, 3);
  await world.keys.revoke(keyId);
  const parameters = ['company', 'erase', '--company', companyId, '--confirm', 'Test company'];
  const committed = await killMidway(parameters, 'company.erasing', 'versions');
  expect(committed).toBeGreaterThan(0);
  const sums = {
    agents: await sumOf('company.erasing', 'agents'),
    versions: await sumOf('company.erasing', 'versions'),
  };
  const all = { agents: 1_201, versions: 9_000 + 3_600 };
  expect(sums.versions).toBeLessThan(all.versions);
  expect(await countsOf(companyId)).toMatchObject({
    agents: all.agents - sums.agents,
    versions: all.versions - sums.versions,
  });
  const erased = { ...all, phoneNumbers: 0, keys: 1, grants: 0, keptAnswers: 0, deliveries: 0, webhooks: 0 };
  expect(await admin(...parameters)).toEqual({ id: companyId, name: 'Test company', erased });
  expect(await countsOf(companyId)).toMatchObject({ agents: 0, versions: 0 });
  expect(await countsOf(other.id)).toEqual({ agents: 10, versions: 30, broken: 0 });
  expect(await sumOf('company.erasing', 'agents')).toBe(all.agents);
  expect(await sumOf('company.erased', 'versions')).toBe(all.versions);
});

test('an export waits for a slow reader, and ends with a reason if the reader exits', async () => {
  const { id: companyId } = await world.company();
  await manyAgents(companyId, 4_000, 3);
  const whole = start('company', 'export', '--company', companyId);
  expect(await whole.exit).toEqual({ code: 0, signal: null });
  const lines = whole.stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(1 + 1 + 4_000 * 4 + 3);

  // The reader in the shell takes one line and exits.
  const command = `set -o pipefail; "$@" company export --company ${companyId} | head -n 1`;
  const cut = startProcess(['bash', '-c', command, 'bash', process.execPath, program], {
    env: { DATABASE_URL: world.ownerUrl, API_KEY_SECRET: world.secret },
  });
  expect(await cut.exit).toEqual({ code: 1, signal: null });
  expect(cut.stdout).toBe(`${lines[0]}\n`);
  expect(cut.stderr).toBe('error: the reader of the output has closed it: the output is not complete\n');
});

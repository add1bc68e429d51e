import { expect, onTestFinished, test, vi } from 'vitest';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** A key of a company with one scope, which expires after `seconds` seconds of the database's clock. */
async function keyThatEnds(seconds: number) {
  const company = await world.company();
  const { rows } = await world.sql.query(`SELECT now() + $1 * interval '1 second' AS time`, [seconds]);
  const expiresAt = rows[0].time.toISOString();
  const scopes = ['read:agents', 'write:agents'] as const;
  return await world.keys.create({
    companyId: company.id,
    integrationId: null,
    name: 'Old',
    scopes,
    allowedIps: [],
    expiresAt,
  });
}

test('of concurrent rotations of one key without an overlap exactly one creates a new key', async () => {
  const old = await keyThatEnds(7_200);
  const rotations = await Promise.allSettled(Array.from({ length: 10 }, () => world.keys.rotate(old.id, 0)));
  const made = rotations.flatMap((rotation) => (rotation.status === 'fulfilled' ? [rotation.value.id] : []));
  const reasons = rotations.flatMap((rotation) => (rotation.status === 'rejected' ? [String(rotation.reason)] : []));
  expect(reasons).toEqual(Array(9).fill('RefusedError: the key is expired: rotate an active one, or make a new key'));
  const { rows } = await world.sql.query('SELECT id FROM api_key WHERE company_id = $1 AND id <> $2 AND name = $3', [
    old.companyId,
    old.id,
    'Old',
  ]);
  expect(rows).toEqual(made.map((id) => ({ id })));
});

test('the times of what operators create are the database’s, whatever the clock of their machine says', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2001-01-01T00:00:00Z') });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const { rows: before } = await world.sql.query("SELECT date_trunc('milliseconds', now()) AS time");
  const old = await keyThatEnds(7_200);
  await world.keys.suspend(old.id);
  await world.keys.resume(old.id);
  const rotated = await world.keys.rotate(old.id, 0);
  await world.keys.suspend(rotated.id);
  await world.keys.revoke(rotated.id);
  await world.ats(old.companyId ?? '');
  await world.phoneNumber(old.companyId ?? '');
  const { rows: after } = await world.sql.query(
    `SELECT count(*)::int AS times, bool_and(time BETWEEN $2 AND now()) AS "allNow"
       FROM (SELECT created_at AS time FROM company WHERE id = $1
             UNION ALL SELECT unnest(array_remove(array[created_at, suspended_at, revoked_at], NULL)) FROM api_key WHERE company_id = $1
             UNION ALL SELECT expires_at FROM api_key WHERE id = $3
             UNION ALL SELECT granted_at FROM integration_company WHERE company_id = $1
             UNION ALL SELECT created_at FROM company_phone_number WHERE company_id = $1
             UNION ALL SELECT created_at FROM audit_entry WHERE company_id = $1) made`,
    [old.companyId, before[0].time, old.id],
  );
  expect(after).toEqual([{ times: 20, allNow: true }]);
});

import { randomUUID } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { runOperator } from '../support/operator.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('key list shows which keys need the previous secret until they are used, for all owners with --all', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const ats = await world.ats(companyId);
  const secret = randomUUID().repeat(2);
  const { origin } = await openAnotherServer(world, { secret, previousSecret: world.secret });
  const use = (bearer: string) => callsOf(origin).call(bearer, 'GET /api-key');
  const list = async (env: Record<string, string>, ...owner: string[]) => {
    const { stdout, ...rest } = await runOperator({ DATABASE_URL: world.ownerUrl, ...env }, ['key', 'list', ...owner]);
    expect(rest).toEqual({ code: 0, stderr: '' });
    const keys: { id: string; needsPreviousSecret: boolean | null }[] = JSON.parse(stdout);
    return Object.fromEntries(keys.map(({ id, needsPreviousSecret }) => [id, needsPreviousSecret]));
  };
  const both = { API_KEY_SECRET: secret, API_KEY_SECRET_PREVIOUS: world.secret };
  const isMoved = async (id: string) =>
    (await world.sql.query('SELECT FROM api_key k WHERE id = $1 AND last_used_at IS NOT NULL', [id])).rowCount === 1;
  /** A time of the last use, in seconds after the change of the fingerprint. */
  const usedAfter = (id: string, seconds: number) =>
    world.sql.query(
      `UPDATE api_key SET last_used_at = recorded_at + $2 * interval '1 second' FROM secret_fingerprint WHERE api_key.id = $1`,
      [id, seconds],
    );

  // Before the first use under the new secret, all keys are hashed with the old one.
  expect(await list(both, '--all')).toEqual({ [keyId]: true, [ats.keyId]: true });
  expect((await use(key)).status).toBe(200);
  await vi.waitUntil(() => isMoved(keyId), { timeout: 60_000 });
  expect(await list(both, '--all')).toEqual({ [keyId]: false, [ats.keyId]: true });
  expect(await list(both, '--company', companyId)).toEqual({ [keyId]: false });
  expect(await list(both, '--integration', ats.id)).toEqual({ [ats.keyId]: true });

  // A server that has not seen the change may still write the use of a key that it found by its old hash.
  for (const [seconds, needs] of [
    [-1, true],
    [3, true],
    [6, false],
  ] as const) {
    await usedAfter(ats.keyId, seconds);
    expect(await list(both, '--integration', ats.id)).toEqual({ [ats.keyId]: needs });
  }
  const unknown = { [keyId]: null, [ats.keyId]: null };
  expect(await list({}, '--all')).toEqual(unknown);
  expect(await list({ API_KEY_SECRET: secret }, '--all')).toEqual(unknown);
});

test('key list accepts either one owner or --all, and says so', async () => {
  const id = randomUUID();
  const refused = (parameters: string[]) =>
    runOperator({ DATABASE_URL: world.ownerUrl }, ['key', 'list', ...parameters]);
  expect(await refused([])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/'--all'/) });
  expect(await refused(['--all', '--company', id])).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/--all/),
  });
});

import type { Scope } from '../../src/auth/api-key.ts';
import type { World } from './world.ts';

/** The checks of a key, in the order of the contract. */
type KeyCheck = 'the key' | 'the key is not suspended' | 'the address' | 'the rate limit' | 'the scope';

/**
 * The headers of a request whose key passes some of its checks, and fails every later one that it can fail.
 * @param integrationId the owner of the key
 * @param scope of the request; `any` if every key passes
 */
export async function authorizationOf(
  world: World,
  integrationId: string,
  scope: Scope | 'any',
  passes: (check: KeyCheck) => boolean,
): Promise<{ authorization?: string }> {
  if (!passes('the key')) return {};
  const scopes = passes('the scope') && scope !== 'any' ? [scope] : [];
  const owner = { companyId: null, integrationId, name: null, expiresAt: null, perMinute: 1 };
  const { id, key } = await world.keys.create({ ...owner, scopes, allowedIps: [] });
  if (!passes('the rate limit')) await world.call(key, 'GET /companies');
  if (!passes('the address')) {
    await world.sql.query(`UPDATE api_key SET allowed_ips = '{192.0.2.1}' WHERE id = $1`, [id]);
  }
  if (!passes('the key is not suspended')) await world.keys.suspend(id);
  return { authorization: `Bearer ${key}` };
}

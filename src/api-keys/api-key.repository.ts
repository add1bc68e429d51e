import { type Database, withinLimit } from '../database/client.ts';

/** A key that a request came with, as far as the checks of a request need it. */
export interface FoundKey {
  readonly id: string;
  /** Of a company key; null for the key of an integration. */
  readonly companyId: string | null;
  readonly scopes: readonly string[];
  /** Revoked or expired. */
  readonly ended: boolean;
  readonly suspended: boolean;
  /** Whether the key's integration manages the company that was asked about. */
  readonly granted: boolean;
}

export type ApiKeyRepository = ReturnType<typeof apiKeyRepository>;

const findSql = `
  SELECT k.id, k.company_id AS "companyId", k.scopes,
         k.revoked_at IS NOT NULL OR coalesce(k.expires_at <= now(), false) AS ended,
         k.suspended_at IS NOT NULL AS suspended,
         EXISTS (
           SELECT FROM integration_company g WHERE g.company_id = $2::uuid AND g.integration_id = k.integration_id
         ) AS granted
    FROM api_key k
   WHERE k.hash = $1`;

/** Looks keys up in the database for every request: a revoked key or grant must not outlive its end in any cache. */
export function apiKeyRepository(database: Database) {
  return {
    /**
     * @param hash what `hashKey` makes of the key
     * @param companyId the company that an ATS key wants to act for, a UUID; null asks about none
     */
    async find(hash: string, companyId: string | null): Promise<FoundKey | undefined> {
      const [key] = await withinLimit(database.query<FoundKey>(findSql, [hash, companyId]));
      return key;
    },
  };
}

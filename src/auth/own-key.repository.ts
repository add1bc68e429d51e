import type { Database } from '../database/client.ts';

/** The columns that a client may see of its own key. */
// biome-ignore format: a list
const shown = {
  id: true, name: true, start: true, scopes: true, companyId: true, integrationId: true, createdAt: true, expiresAt: true,
  lastUsedAt: true,
} as const;

export type OwnKeyRepository = ReturnType<typeof ownKeyRepository>;

/** Reads keys for their own clients. */
export function ownKeyRepository({ typed }: Database) {
  return {
    /**
     * A key by its id; null if it was erased since it was looked up.
     * @throws ApiError DATABASE_UNAVAILABLE
     */
    find: (id: string) => typed(({ apiKey }) => apiKey.findUnique({ where: { id }, select: shown })),
  };
}

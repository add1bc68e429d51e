import type { Database } from '../database/client.ts';

/** What a client may see of its own key. */
// biome-ignore format: a list
const shown = {
  id: true, name: true, start: true, scopes: true, companyId: true, integrationId: true, createdAt: true, expiresAt: true,
  lastUsedAt: true,
} as const;

export type OwnKeyRepository = ReturnType<typeof ownKeyRepository>;

/** Reads keys for those who have them. */
export function ownKeyRepository({ typed }: Database) {
  return {
    /**
     * A key by its id; undefined if it was erased meanwhile.
     * @throws ApiError DATABASE_UNAVAILABLE
     */
    async find(id: string) {
      const found = await typed(({ apiKey }) => apiKey.findUnique({ where: { id }, select: shown }));
      return found ?? undefined;
    },
  };
}

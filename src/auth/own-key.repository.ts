import type { Database } from '../database/client.ts';

/** The columns that a client may see of its own key. */
// biome-ignore format: a list
const shown = {
  id: true, name: true, start: true, scopes: true, companyId: true, integrationId: true, createdAt: true, expiresAt: true,
  lastUsedAt: true,
} as const;

/** A key for its own client; null if it was erased since it was looked up. @throws ApiError DATABASE_UNAVAILABLE */
export const findOwnKey = ({ typed }: Database, id: string) =>
  typed(({ apiKey }) => apiKey.findUnique({ where: { id }, select: shown }));

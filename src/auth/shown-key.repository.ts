import type { Prisma } from '../generated/prisma/client.ts';

/** The columns that are read of a key: all but its hash. */
// biome-ignore format: a list
export const stored = {
  id: true, companyId: true, integrationId: true, name: true, start: true, scopes: true, allowedIps: true, perMinute: true,
  perHour: true, createdAt: true, expiresAt: true, suspendedAt: true, revokedAt: true, lastUsedAt: true,
} as const;
export type StoredKey = Prisma.ApiKeyGetPayload<{ select: typeof stored }>;

/** A key as operators see it, without the key itself. */
export interface ShownKey extends Omit<StoredKey, 'suspendedAt' | 'revokedAt'> {
  readonly state: 'active' | 'suspended' | 'expired' | 'revoked';
}

export interface ListedKey extends ShownKey {
  /**
   * Whether the key may still be stored under API_KEY_SECRET_PREVIOUS, so that it ends with that secret if it is not used
   * before; null if the command does not have both secrets.
   */
  readonly needsPreviousSecret: boolean | null;
}

/** The settings of a key, as audit entries show them. */
export function settingsOf({ name, scopes, allowedIps, perMinute, perHour, expiresAt }: StoredKey) {
  return { name, scopes, allowedIps, perMinute, perHour, expiresAt: expiresAt?.toISOString() ?? null };
}

export function keyStateOf({ revokedAt, expiresAt, suspendedAt }: StoredKey, now: Date): ShownKey['state'] {
  if (revokedAt) return 'revoked';
  if (expiresAt && expiresAt <= now) return 'expired';
  return suspendedAt ? 'suspended' : 'active';
}

export function toShown(key: StoredKey, now: Date): ShownKey {
  const { createdAt, expiresAt, lastUsedAt, suspendedAt, revokedAt, ...rest } = key;
  return { ...rest, state: keyStateOf(key, now), createdAt, expiresAt, lastUsedAt };
}

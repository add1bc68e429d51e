import type { Database } from '../database/client.ts';
import { databaseTime } from '../database/clock.ts';
import { RefusedError, StartError, UnknownIdError } from '../errors.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { hashKey, type KeyDraft, type KeyOwner, type KeySecrets, makeKey, startOf } from './api-key.ts';
import { recordSecret, storedUnderPrevious } from './secret.repository.ts';
import {
  keyStateOf,
  type ListedKey,
  type ShownKey,
  type StoredKey,
  settingsOf,
  stored,
  toShown,
} from './shown-key.repository.ts';

/** Locks the row of a key until the transaction ends. Raw, as Prisma cannot lock a row. */
export const lockKey = (tx: Prisma.TransactionClient, id: string) =>
  tx.$executeRaw`SELECT FROM api_key WHERE id = ${id}::uuid FOR UPDATE`;

/** Inserts an audit entry about a key, by an operator. */
export async function recordKey(
  tx: Prisma.TransactionClient,
  operator: string,
  action: string,
  { id: keyId, companyId, integrationId }: StoredKey,
  details: Prisma.InputJsonObject = {},
): Promise<void> {
  await tx.auditEntry.create({ data: { action, operator, companyId, integrationId, keyId, details } });
}

export const revokedForGood = 'the key is revoked, for good: make another one';

/**
 * The operator's commands on API keys. Each takes effect with the key's next request on every replica, and is committed
 * together with its audit entry. Times are those of the database's clock.
 * @param secrets of the servers on the database; without them no key can be created
 * @param operator the name for the audit entries
 */
export function apiKeyLifecycle({ prisma }: Database, secrets: KeySecrets | undefined, operator: string) {
  /** Inserts a key and its audit entry, and records the fingerprint of the secret. */
  async function insert(
    tx: Prisma.TransactionClient,
    key: string,
    data: Omit<Prisma.ApiKeyUncheckedCreateInput, 'start' | 'hash'>,
  ): Promise<StoredKey> {
    if (!secrets) {
      throw new StartError('API_KEY_SECRET must be set beside DATABASE_URL to make a key: the secret of its servers');
    }
    await recordSecret(tx, secrets);
    const hash = hashKey(key, secrets.secret);
    const made = await tx.apiKey.create({ data: { ...data, start: startOf(key), hash }, select: stored });
    await recordKey(tx, operator, 'key.created', made, { start: made.start, ...settingsOf(made) });
    return made;
  }

  /**
   * Changes a key and inserts the audit entry.
   * @param when a condition on the key; if it is false, nothing is written
   * @throws UnknownIdError
   */
  async function update(
    id: string,
    action: string,
    change: (now: Date) => Prisma.ApiKeyUpdateManyMutationInput,
    when: Prisma.ApiKeyWhereInput,
  ): Promise<ShownKey> {
    return await prisma.$transaction(async (tx) => {
      const now = await databaseTime(tx);
      const where = { id, ...when };
      const [changed] = await tx.apiKey.updateManyAndReturn({ where, data: change(now), select: stored });
      if (changed) await recordKey(tx, operator, action, changed);
      const key = changed ?? (await tx.apiKey.findUnique({ where: { id }, select: stored }));
      if (!key) throw new UnknownIdError('API key', id);
      return toShown(key, now);
    });
  }

  return {
    /** Creates a key. The key itself is only in the returned object: it is not stored. @throws StartError without secrets */
    async create(draft: KeyDraft): Promise<ShownKey & { key: string }> {
      const { companyId, integrationId, name, scopes, allowedIps, expiresAt, perMinute = null, perHour = null } = draft;
      const lists = { scopes: [...scopes], allowedIps: [...allowedIps] };
      const key = makeKey();
      return await prisma.$transaction(async (tx) => {
        const made = await insert(tx, key, { companyId, integrationId, name, ...lists, expiresAt, perMinute, perHour });
        return { ...toShown(made, await databaseTime(tx)), key };
      });
    },

    /** All keys of an owner, or of all owners, the oldest first. */
    async list(owner?: KeyOwner): Promise<ListedKey[]> {
      // Prisma compares with null by IS NULL, so both can be given: a key has exactly one of the two.
      const where = owner && { companyId: owner.companyId, integrationId: owner.integrationId };
      const condition = secrets && (await storedUnderPrevious(prisma, secrets));
      const old =
        condition &&
        (await prisma.apiKey.findMany({ where: { AND: [condition, { ...where }] }, select: { id: true } }));
      const needing = old && new Set(old.map(({ id }) => id));
      const orderBy = [{ createdAt: 'asc' }, { id: 'asc' }] as const;
      const found = await prisma.apiKey.findMany({ where: { ...where }, select: stored, orderBy: [...orderBy] });
      const now = await databaseTime(prisma);
      return found.map((key) => ({ ...toShown(key, now), needsPreviousSecret: needing?.has(key.id) ?? null }));
    },

    /**
     * Creates a new key with the owner, scopes, allow-list, limits and expiry of an active one. The old key expires after
     * the overlap, or earlier at its own expiry.
     * @throws UnknownIdError; RefusedError if the key is not active; StartError without secrets
     */
    async rotate(id: string, overlapSeconds: number): Promise<ShownKey & { key: string }> {
      const key = makeKey();
      return await prisma.$transaction(async (tx) => {
        // A concurrent rotation waits here, and then sees the new expiry.
        await lockKey(tx, id);
        const now = await databaseTime(tx);
        const old = await tx.apiKey.findUnique({ where: { id }, select: stored });
        if (!old) throw new UnknownIdError('API key', id);
        const state = keyStateOf(old, now);
        if (state !== 'active') throw new RefusedError(`the key is ${state}: rotate an active one, or make a new key`);
        const overlapEnd = new Date(now.getTime() + overlapSeconds * 1_000);
        const expiresAt = old.expiresAt && old.expiresAt < overlapEnd ? old.expiresAt : overlapEnd;
        await tx.apiKey.update({ where: { id }, data: { expiresAt }, select: { id: true } });
        const { companyId, integrationId } = old;
        const made = await insert(tx, key, { companyId, integrationId, ...settingsOf(old), createdAt: now });
        await recordKey(tx, operator, 'key.rotated', old, { newKeyId: made.id, expiresAt: expiresAt.toISOString() });
        return { ...toShown(made, now), key };
      });
    },

    /** Suspends a key until it is resumed. Leaves a revoked key as it is. */
    suspend: (id: string) =>
      update(id, 'key.suspended', (now) => ({ suspendedAt: now }), { suspendedAt: null, revokedAt: null }),

    /**
     * Resumes a suspended key. An expired key stays expired.
     * @throws RefusedError for a revoked key
     */
    async resume(id: string): Promise<ShownKey> {
      const when = { suspendedAt: { not: null }, revokedAt: null };
      const key = await update(id, 'key.resumed', () => ({ suspendedAt: null }), when);
      if (key.state === 'revoked') throw new RefusedError(revokedForGood);
      return key;
    },

    revoke: (id: string) => update(id, 'key.revoked', (now) => ({ revokedAt: now }), { revokedAt: null }),
  };
}

import { isDeepStrictEqual } from 'node:util';
import type { Database } from '../database/client.ts';
import { databaseTime } from '../database/clock.ts';
import { RefusedError, StartError, UnknownIdError } from '../errors.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { hashesOf, isKey, type KeyDraft, type KeyOwner, type KeySecrets } from './api-key.ts';
import { lockKey, recordKey, revokedForGood } from './key-lifecycle.repository.ts';
import { requireKnownSecret } from './secret.repository.ts';
import { type ShownKey, settingsOf, stored, toShown } from './shown-key.repository.ts';

/** The settings to change of a key; absent ones stay. */
type KeySettings = {
  readonly [Name in Exclude<keyof KeyDraft, keyof KeyOwner>]?: KeyDraft[Name] | undefined;
};

const named = { select: { name: true } } as const;

/**
 * The operator's commands to find a key and to change its settings. Changes take effect with the key's next request on
 * every replica.
 * @param secrets of the servers on the database; without them no key can be found
 * @param operator the name for the audit entries
 */
export function keySettings({ prisma }: Database, secrets: KeySecrets | undefined, operator: string) {
  return {
    /**
     * Finds the record of a key by the key itself, such as a leaked one, with the name of its company or integration. No part
     * of the key gets into errors or the trail.
     * @throws RefusedError if the text is not a key, or not one of this server; StartError if the secret is not the one of
     * the database's keys
     */
    async find(text: string) {
      if (!isKey(text)) throw new RefusedError('this is no API key: one is sk_ and 43 letters and digits');
      if (!secrets) {
        throw new StartError('API_KEY_SECRET must be set beside DATABASE_URL to find a key: the secret of its servers');
      }
      const { hash, formerHash } = hashesOf(text, secrets);
      const hashes = formerHash === null ? [hash] : [hash, formerHash];
      return await prisma.$transaction(async (tx) => {
        await requireKnownSecret(tx, secrets);
        const found = await tx.apiKey.findFirst({
          where: { hash: { in: hashes } },
          select: { ...stored, company: named, integration: named },
        });
        if (!found) throw new RefusedError('no such key is stored under API_KEY_SECRET or API_KEY_SECRET_PREVIOUS');
        const { company, integration, ...key } = found;
        await recordKey(tx, operator, 'key.found', key);
        return { ...toShown(key, await databaseTime(tx)), ownerName: (company ?? integration)?.name ?? null };
      });
    },

    /**
     * Changes settings of a key. The audit entry has the values before and after.
     * @throws UnknownIdError; RefusedError for a revoked key
     */
    async update(id: string, settings: KeySettings): Promise<ShownKey> {
      return await prisma.$transaction(async (tx) => {
        // So that the audit entry has the values that this change replaces.
        await lockKey(tx, id);
        const before = await tx.apiKey.findUnique({ where: { id }, select: stored });
        if (!before) throw new UnknownIdError('API key', id);
        if (before.revokedAt) throw new RefusedError(revokedForGood);
        const { name, scopes, allowedIps, perMinute, perHour, expiresAt } = settings;
        const data = {
          ...(name !== undefined && { name }),
          ...(scopes && { scopes: [...scopes] }),
          ...(allowedIps && { allowedIps: [...allowedIps] }),
          ...(perMinute !== undefined && { perMinute }),
          ...(perHour !== undefined && { perHour }),
          ...(expiresAt !== undefined && { expiresAt }),
        };
        const after = await tx.apiKey.update({ where: { id }, data, select: stored });
        const details = differences(settingsOf(before), settingsOf(after));
        if (Object.keys(details).length > 0) await recordKey(tx, operator, 'key.updated', after, details);
        return toShown(after, await databaseTime(tx));
      });
    },
  };
}

/** The members that differ, each with its value before and after. */
function differences(before: Prisma.InputJsonObject, after: Prisma.InputJsonObject): Prisma.InputJsonObject {
  const names = Object.keys(after).filter((name) => !isDeepStrictEqual(before[name], after[name]));
  return Object.fromEntries(names.map((name) => [name, { before: before[name] ?? null, after: after[name] ?? null }]));
}

import type { Logger } from 'pino';
import { databaseTime } from '../database/clock.ts';
import { StartError } from '../errors.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { fingerprintsOf, type KeySecrets } from './api-key.ts';
import { recordMadeStatement } from './secret.statements.ts';

const stored = 'the API keys in this database are stored under another secret than';
const otherSecret =
  `${stored} API_KEY_SECRET and API_KEY_SECRET_PREVIOUS, which may be in the file .env: set the secret that its servers have, ` +
  'or, without DATABASE_URL, an empty one (API_KEY_SECRET=) for the one in DATA_DIR';
const otherGenerated = `${stored} the one in the file api-key-secret in DATA_DIR: restore that file, or set API_KEY_SECRET`;

/**
 * Checks the secrets against the fingerprint in the database. Until the first key is created or used there is none, and
 * every secret passes.
 * @throws StartError if neither secret has that fingerprint
 */
export async function requireKnownSecret(
  client: Pick<Prisma.TransactionClient, 'secretFingerprint'>,
  secrets: KeySecrets,
): Promise<void> {
  const recorded = await client.secretFingerprint.findUnique({ where: { id: 1 } });
  const { current, former } = fingerprintsOf(secrets);
  if (recorded && recorded.fingerprint !== current && recorded.fingerprint !== former) {
    throw new StartError(secrets.isGenerated ? otherGenerated : otherSecret);
  }
}

/**
 * Milliseconds after a change of the fingerprint in which a server that has not seen the change may still write that a key
 * was used: more than a statement may take.
 */
const overlap = 5_000;

/**
 * The keys that may still be stored under the previous secret. A hash does not show its secret. But keys that were made or used
 * since the current fingerprint was recorded are stored under the current secret.
 * @returns a condition for Prisma; undefined if there is no previous secret
 */
export async function storedUnderPrevious(
  client: Pick<Prisma.TransactionClient, 'secretFingerprint'>,
  secrets: KeySecrets,
): Promise<Prisma.ApiKeyWhereInput | undefined> {
  const { current, former } = fingerprintsOf(secrets);
  if (former === null) return undefined;
  const recorded = await client.secretFingerprint.findUnique({ where: { id: 1 } });
  if (recorded?.fingerprint !== current) return {};
  const since = recorded.recordedAt;
  // The use that recorded the fingerprint has the same time.
  const before = [{ lt: since }, { gt: since, lte: new Date(since.getTime() + overlap) }];
  return {
    AND: [
      { OR: before.map((createdAt) => ({ createdAt })) },
      { OR: [{ lastUsedAt: null }, ...before.map((lastUsedAt) => ({ lastUsedAt }))] },
    ],
  };
}

/** Logs whether API_KEY_SECRET_PREVIOUS is still needed, if it is set; runs at the start of a server. */
export async function reportPreviousSecret(
  client: PrismaClient,
  secrets: KeySecrets,
  log: Pick<Logger, 'info'>,
): Promise<void> {
  const stored = await storedUnderPrevious(client, secrets);
  if (!stored) return;
  const ends = [{ expiresAt: null }, { expiresAt: { gt: await databaseTime(client) } }];
  const keys = await client.apiKey.count({ where: { AND: [stored, { revokedAt: null, OR: ends }] } });
  log.info({ keys }, keys > 0 ? keysNeedIt : noKeyNeedsIt);
}

const keysNeedIt = 'keys need API_KEY_SECRET_PREVIOUS until they are used';
const noKeyNeedsIt = 'no key needs API_KEY_SECRET_PREVIOUS';

/**
 * Records the fingerprint of the secret for a new key, in the key's transaction.
 * @throws StartError if the keys in the database are stored under another secret
 */
export async function recordSecret(tx: Prisma.TransactionClient, secrets: KeySecrets): Promise<void> {
  await tx.$executeRaw(recordMadeStatement(fingerprintsOf(secrets)));
  await requireKnownSecret(tx, secrets);
}

import type { Prisma } from '../generated/prisma/client.ts';
import { StartError } from '../start-error.ts';
import { fingerprintsOf, type KeySecrets } from './api-key.ts';
import { recordMadeStatement } from './secret.statements.ts';

const otherSecret =
  'the API keys in this database are stored under another secret than API_KEY_SECRET and API_KEY_SECRET_PREVIOUS: ' +
  'set the secret that its servers have, or restore the file api-key-secret in DATA_DIR where it was generated';

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
    throw new StartError(otherSecret);
  }
}

/**
 * Records the fingerprint of the secret for a new key, in the key's transaction.
 * @throws StartError if the keys in the database are stored under another secret
 */
export async function recordSecret(tx: Prisma.TransactionClient, secrets: KeySecrets): Promise<void> {
  await tx.$executeRaw(recordMadeStatement(fingerprintsOf(secrets)));
  await requireKnownSecret(tx, secrets);
}

import { join, resolve } from 'node:path';
import { type KeySecrets, makeSecret } from '../auth/api-key.ts';
import type { Config, Program } from '../config.ts';
import { migrate, requireGivenSettings, requireMigrations } from '../database/migrate.ts';
import { keepsStatementNames } from '../database/pooler.ts';
import { unknownNames } from '../database/reasons.ts';
import { ownsTables } from '../database/server-role.ts';
import { withClient } from '../database/session.ts';
import { durabilityRisks, lackingSettings, refuseOptions, roleSettings } from '../database/settings.ts';
import { type EmbeddedDatabase, openEmbedded } from '../embedded-postgres/embedded.ts';
import { StartError } from '../errors.ts';
import { inDataDir } from './data-dir.ts';
import { readOrCreate } from './read-or-create.ts';

/** The database of the server and of the operator's command line. */
export interface Foundation {
  readonly databaseUrl: string;
  /** The embedded database, migrated; undefined when DATABASE_URL names another. */
  readonly embedded: EmbeddedDatabase | undefined;
}

/** Milliseconds until the embedded database answers a statement of the start. */
const statementLimit = 10_000;

/** @throws StartError if the embedded database cannot be started, or does not answer */
export async function openFoundation(config: Config, program: Program): Promise<Foundation> {
  if (config.DATABASE_URL !== undefined) return { databaseUrl: config.DATABASE_URL, embedded: undefined };
  const embedded = await openEmbedded(config.DATA_DIR, program);
  try {
    await migrate(embedded.url, undefined, undefined, statementLimit);
  } catch (error) {
    await embedded.close().catch(() => {});
    throw error;
  }
  return { databaseUrl: embedded.url, embedded };
}

/**
 * The secrets of the configuration. Without API_KEY_SECRET, the one in DATA_DIR, which is generated the first time.
 * @throws StartError if DATA_DIR cannot be used
 */
export async function keySecrets(config: Config): Promise<KeySecrets> {
  return {
    secret: config.API_KEY_SECRET ?? (await generatedSecret(resolve(config.DATA_DIR))),
    previousSecret: config.API_KEY_SECRET_PREVIOUS,
    isGenerated: config.API_KEY_SECRET === undefined,
  };
}

const generatedSecret = (dataDir: string) =>
  inDataDir(dataDir, () => readOrCreate(join(dataDir, 'api-key-secret'), makeSecret));

/**
 * Checks a database that DATABASE_URL names: `npm run migrate` has prepared it, and the configuration fits the connection.
 * @returns warnings about settings that work but are dangerous
 * @throws StartError that names what is missing
 */
export async function checkDatabase(url: string, config: Config): Promise<string[]> {
  await requireMigrations(url);
  const warnings = await withClient(url, async (client) => {
    await refuseOptions(client);
    await requireGivenSettings(client);
    const missing = await lackingSettings(client, roleSettings);
    if (missing.length > 0)
      throw new StartError(`DATABASE_URL: ${missing.join('; ')}: run npm run migrate as this role`);
    const isOwner = config.NODE_ENV === 'production' && (await ownsTables(client));
    return [...(await durabilityRisks(client)), ...(isOwner ? [ownerWarning] : [])];
  });
  if (config.DATABASE_PREPARED_STATEMENTS && !(await keepsStatementNames(url))) throw new StartError(unknownNames);
  return warnings;
}

const ownerWarning =
  'the role in DATABASE_URL owns the tables: run the server as a role that npm run migrate -- --server-role NAME admits';

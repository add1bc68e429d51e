import { join, resolve } from 'node:path';
import { type KeySecrets, makeSecret } from './auth/api-key.ts';
import type { Config } from './config.ts';
import { migrate } from './database/migrate.ts';
import { type EmbeddedDatabase, openEmbedded } from './embedded-postgres/embedded.ts';
import { keptFile } from './kept-file.ts';

/** What the server and the operator's command line both stand on. */
export interface Foundation extends KeySecrets {
  readonly databaseUrl: string;
  /** The embedded database, migrated; undefined when DATABASE_URL names another. */
  readonly embedded: EmbeddedDatabase | undefined;
}

/** @throws StartError when the embedded database cannot be had */
export async function openFoundation(config: Config, as: 'server' | 'operator'): Promise<Foundation> {
  const embedded = config.DATABASE_URL === undefined ? await openEmbedded(config.DATA_DIR, as) : undefined;
  try {
    if (embedded) await migrate(embedded.url);
    return {
      databaseUrl: config.DATABASE_URL ?? embedded?.url ?? '',
      secret: config.API_KEY_SECRET ?? (await keptFile(join(resolve(config.DATA_DIR), 'api-key-secret'), makeSecret)),
      previousSecret: config.API_KEY_SECRET_PREVIOUS,
      embedded,
    };
  } catch (error) {
    await embedded?.close();
    throw error;
  }
}

import { userInfo } from 'node:os';
import { agentVersionRepository } from '../agents/history/repository.ts';
import { agentRepository } from '../agents/repository.ts';
import { agentService } from '../agents/service.ts';
import type { KeySecrets } from '../auth/api-key.ts';
import { apiKeyLifecycle } from '../auth/key-lifecycle.repository.ts';
import { keySettings } from '../auth/key-settings.repository.ts';
import { companyRepository } from '../companies/repository.ts';
import type { Config } from '../config.ts';
import { type Database, openDatabase } from '../database/client.ts';
import { isLater, requireMigrations } from '../database/migrate.ts';
import { withClient } from '../database/session.ts';
import { lackingSettings, meaningSettings, refuseOptions } from '../database/settings.ts';
import { StartError } from '../errors.ts';
import { keySecrets, openFoundation } from '../process/foundation.ts';
import { operatorWebhooks } from '../webhooks/operator.repository.ts';

/** Limits in milliseconds, longer than those of requests: a command may read the whole history, and should wait, not fail. */
const limits = { statementLimit: 60_000, connectionLimit: 20_000 };

/** The user name of this process; `user 1000` if the user has only an id, as in a container. */
function operatorName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.()}`;
  }
}

/**
 * Checks that no migration is missing, and that the role has the settings that `migrate` gives it: with another time zone, say,
 * times would be read and written wrong.
 * @throws StartError
 */
async function requirePrepared(url: string): Promise<void> {
  await requireMigrations(url);
  const wrong = await withClient(url, async (client) => {
    await refuseOptions(client, meaningSettings);
    return await lackingSettings(client, meaningSettings);
  });
  if (wrong.length > 0) throw new StartError(`DATABASE_URL: ${wrong.join('; ')}: run npm run migrate as this role`);
}

export type Services = ReturnType<typeof servicesOf>;

/** The services that the operator's commands use. */
function servicesOf(database: Database, url: string, secrets: KeySecrets | undefined) {
  const operator = operatorName();
  const agentRows = agentRepository(database);
  return {
    /** The name of the operator, for audit entries. */
    operator,
    companies: companyRepository(database.prisma, operator),
    keys: apiKeyLifecycle(database, secrets, operator),
    keySettings: keySettings(database, secrets, operator),
    agents: agentService(agentRows, agentVersionRepository(database)),
    agentRows,
    webhooks: operatorWebhooks(database.prisma, operator),
    database,
    /** @throws StartError if a later release has migrated the database: this one does not know its tables and fields */
    async requireOwnRelease(): Promise<void> {
      if (!(await isLater(url))) return;
      throw new StartError('a later release has migrated this database: run this command from that release');
    },
  };
}

/**
 * Opens the configured database, runs `work` and closes the database.
 * @throws StartError if the database is not ready for this release; what `work` throws
 */
export async function withServices(config: Config, work: (services: Services) => Promise<void>): Promise<void> {
  const { databaseUrl, embedded } = await openFoundation(config, 'operator');
  try {
    // Without API_KEY_SECRET, a generated secret would not be the one that the servers of a DATABASE_URL use.
    const secrets = embedded || config.API_KEY_SECRET !== undefined ? await keySecrets(config) : undefined;
    await requirePrepared(databaseUrl);
    const preparedStatements = config.DATABASE_PREPARED_STATEMENTS;
    const database = openDatabase({ url: databaseUrl, connections: 2, preparedStatements, ...limits });
    try {
      await work(servicesOf(database, databaseUrl, secrets));
    } finally {
      await database.close();
    }
  } catch (error) {
    await embedded?.close().catch(() => {});
    throw error;
  }
  await embedded?.close();
}

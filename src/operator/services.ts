import { userInfo } from 'node:os';
import { agentVersionRepository } from '../agents/history/repository.ts';
import { type AgentRepository, agentRepository } from '../agents/repository.ts';
import { type AgentService, agentService } from '../agents/service.ts';
import { type AuditRepository, auditRepository } from '../audit/repository.ts';
import { type ApiKeyLifecycle, apiKeyLifecycle } from '../auth/key-lifecycle.ts';
import { type KeySettingsRepository, keySettings } from '../auth/key-settings.repository.ts';
import { type CompanyErasure, companyErasure } from '../companies/erase.repository.ts';
import { type CompanyExport, companyExport } from '../companies/export.repository.ts';
import { type CompanyRepository, companyRepository } from '../companies/repository.ts';
import type { Config } from '../config.ts';
import { type Database, openDatabase } from '../database/client.ts';
import { isLater, pendingMigrations } from '../database/migrate.ts';
import { withClient } from '../database/session.ts';
import { lackingSettings, meaningSettings } from '../database/settings.ts';
import { openFoundation } from '../foundation.ts';
import { StartError } from '../start-error.ts';
import { type OperatorWebhooks, operatorWebhooks } from '../webhooks/operator.repository.ts';

/** What the operator's commands work with. */
export interface Services {
  /** Who gives the command. */
  readonly operator: string;
  readonly companies: CompanyRepository;
  readonly companyErasure: CompanyErasure;
  readonly companyExport: CompanyExport;
  readonly keys: ApiKeyLifecycle;
  readonly keySettings: KeySettingsRepository;
  readonly agents: AgentService;
  readonly agentRows: AgentRepository;
  readonly audit: AuditRepository;
  readonly webhooks: OperatorWebhooks;
  readonly database: Database;
  /** @throws StartError on the database of a later release, whose tables and fields this one does not know */
  requireOwnRelease(): Promise<void>;
}

/** Milliseconds: lists of the whole history take longer than a request may, and a command had better wait than fail. */
const patience = { statementLimit: 60_000, connectionLimit: 20_000 };

/** Who runs this program, as the operating system knows them; in a container they may have a number alone. */
function operatorName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.()}`;
  }
}

/** With other settings than those of `migrate`, such as another time zone, values would be read and written wrong. */
async function checkDatabase(url: string): Promise<void> {
  const wrong = await withClient(url, (client) => lackingSettings(client, meaningSettings));
  if (wrong.length > 0) throw new StartError(`DATABASE_URL: ${wrong.join('; ')}: run npm run migrate as this role`);
  const pending = await pendingMigrations(url);
  if (pending.length > 0) {
    throw new StartError(`DATABASE_URL lacks migrations (${pending.join(', ')}): run npm run migrate`);
  }
}

async function requireOwnRelease(url: string): Promise<void> {
  if (!(await isLater(url))) return;
  throw new StartError('a later release has migrated this database: run this command from that release');
}

/** Does some work on the database of a configuration. */
export async function withServices(config: Config, work: (services: Services) => Promise<void>): Promise<void> {
  const { databaseUrl, embedded, ...secrets } = await openFoundation(config, 'operator');
  // One that is generated here is not that of the servers elsewhere.
  const known = embedded !== undefined || config.API_KEY_SECRET !== undefined ? secrets : undefined;
  try {
    await checkDatabase(databaseUrl);
    const preparedStatements = config.DATABASE_PREPARED_STATEMENTS;
    const database = openDatabase({ url: databaseUrl, connections: 2, preparedStatements, ...patience });
    const operator = operatorName();
    const agentRows = agentRepository(database);
    try {
      await work({
        operator,
        companies: companyRepository(database.prisma, operator),
        companyErasure: companyErasure(database.prisma, operator),
        companyExport: companyExport(database, operator),
        keys: apiKeyLifecycle(database, known, operator),
        keySettings: keySettings(database, known, operator),
        agents: agentService(agentRows, agentVersionRepository(database)),
        agentRows,
        audit: auditRepository(database),
        webhooks: operatorWebhooks(database.prisma, operator),
        database,
        requireOwnRelease: () => requireOwnRelease(databaseUrl),
      });
    } finally {
      await database.close();
    }
  } finally {
    await embedded?.close();
  }
}

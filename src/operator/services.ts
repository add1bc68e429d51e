import { userInfo } from 'node:os';
import { agentVersionRepository } from '../agents/history/repository.ts';
import { type AgentRepository, agentRepository } from '../agents/repository.ts';
import { type AgentService, agentService } from '../agents/service.ts';
import { type AuditRepository, auditRepository } from '../audit/repository.ts';
import { type ApiKeyLifecycle, apiKeyLifecycle } from '../auth/key-lifecycle.ts';
import { type CompanyRepository, companyRepository } from '../companies/repository.ts';
import type { Config } from '../config.ts';
import { openDatabase } from '../database/client.ts';
import { withClient } from '../database/session.ts';
import { lackingSettings, meaningSettings } from '../database/settings.ts';
import { openFoundation } from '../foundation.ts';
import { withNumbers } from '../http/exact-numbers.ts';
import { StartError } from '../start-error.ts';

/** What the operator's commands work with. */
interface Services {
  /** Who gives the command. */
  readonly operator: string;
  readonly companies: CompanyRepository;
  readonly keys: ApiKeyLifecycle;
  readonly agents: AgentService;
  readonly agentRows: AgentRepository;
  readonly audit: AuditRepository;
}

/** Carries out one command and prints its result on stdout, as one JSON value. */
export type Print = (run: (services: Services) => Promise<unknown>) => Promise<void>;

/** Milliseconds for one statement: lists of the whole history take longer than a request may. */
const statementLimit = 60_000;

/** Who runs this program, as the operating system knows them; in a container they may have a number alone. */
function operatorName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.()}`;
  }
}

/** With other settings than those of `migrate`, such as another time zone, values would be read and written wrong. */
async function checkSettings(url: string): Promise<void> {
  const wrong = await withClient(url, (client) => lackingSettings(client, meaningSettings));
  if (wrong.length > 0) throw new StartError(`DATABASE_URL: ${wrong.join('; ')}: run npm run migrate as this role`);
}

/** A `Print` on the database of a configuration, which is read when a command runs. */
export function printer(readConfiguration: () => Config): Print {
  return async (run) => {
    const config = readConfiguration();
    const { databaseUrl, embedded, ...secrets } = await openFoundation(config, 'operator');
    // One that is generated here is not that of the servers elsewhere.
    const isKnown = embedded !== undefined || config.API_KEY_SECRET !== undefined;
    await checkSettings(databaseUrl);
    const preparedStatements = config.DATABASE_PREPARED_STATEMENTS;
    const database = openDatabase({ url: databaseUrl, connections: 2, statementLimit, preparedStatements });
    const operator = operatorName();
    const agentRows = agentRepository(database);
    try {
      const result = await run({
        operator,
        companies: companyRepository(database.prisma, operator),
        keys: apiKeyLifecycle(database, isKnown ? secrets : undefined, operator),
        agents: agentService(agentRows, agentVersionRepository(database)),
        agentRows,
        audit: auditRepository(database),
      });
      console.log(withNumbers(JSON.stringify(result, undefined, 2)));
    } finally {
      await database.close();
      await embedded?.close();
    }
  };
}

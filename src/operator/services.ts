import { type AgentRepository, agentRepository } from '../agents/agent.repository.ts';
import { type AgentService, agentService } from '../agents/agent.service.ts';
import { agentVersionRepository } from '../agents/agent-version.repository.ts';
import { type ApiKeyLifecycle, apiKeyLifecycle } from '../api-keys/api-key.lifecycle.ts';
import { type CompanyRepository, companyRepository } from '../companies/company.repository.ts';
import type { Config } from '../config.ts';
import { openDatabase } from '../database/client.ts';
import { openFoundation } from '../foundation.ts';

/** What the operator's commands work with. */
interface Services {
  readonly companies: CompanyRepository;
  readonly keys: ApiKeyLifecycle;
  readonly agents: AgentService;
  readonly agentRows: AgentRepository;
}

/** Carries out one command and prints its result on stdout, as one JSON value. */
export type Print = (run: (services: Services) => Promise<unknown>) => Promise<void>;

/** A `Print` on the database of a configuration, which is read when a command runs. */
export function printer(readConfiguration: () => Config): Print {
  return async (run) => {
    const { databaseUrl, secret, embedded } = await openFoundation(readConfiguration(), 'operator');
    const database = openDatabase({ url: databaseUrl, connections: 2 });
    const agentRows = agentRepository(database);
    try {
      const companies = companyRepository(database.prisma);
      const keys = apiKeyLifecycle(database, secret);
      const result = await run({
        companies,
        keys,
        agents: agentService(agentRows, agentVersionRepository(database)),
        agentRows,
      });
      console.log(JSON.stringify(result, undefined, 2));
    } finally {
      await database.close();
      await embedded?.close();
    }
  };
}

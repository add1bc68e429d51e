import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { type AgentRepository, agentRepository } from './agents/agent.repository.ts';
import { toAnswer } from './agents/agent.routes.ts';
import { type AgentDraft, agentDraftSchema } from './agents/agent.schema.ts';
import { type AgentService, agentService } from './agents/agent.service.ts';
import { type ApiKeyLifecycle, apiKeyLifecycle } from './api-keys/api-key.lifecycle.ts';
import { isScope, type Scope, scopes } from './api-keys/api-key.ts';
import { type CompanyRepository, companyRepository } from './companies/company.repository.ts';
import { addEnvironmentFile, readConfig } from './config.ts';
import { openDatabase } from './database/client.ts';
import { invalid } from './errors.ts';
import { openFoundation } from './foundation.ts';
import { StartError } from './start-error.ts';
import { UnknownIdError } from './unknown-id.ts';
import { isUuid } from './uuid.ts';
import { compile, toFaults } from './validation.ts';

/** What a command works with. */
interface Services {
  readonly companies: CompanyRepository;
  readonly keys: ApiKeyLifecycle;
  readonly agents: AgentService;
  readonly agentRows: AgentRepository;
}

/** Carries a command out on the database of the environment and prints its result as one JSON value. */
async function print(run: (services: Services) => Promise<unknown>): Promise<void> {
  addEnvironmentFile();
  const { databaseUrl, secret, embedded } = await openFoundation(readConfig(process.env), 'operator');
  const database = openDatabase({ url: databaseUrl, connections: 1 });
  const agentRows = agentRepository(database);
  try {
    const companies = companyRepository(database.prisma);
    const keys = apiKeyLifecycle(database, secret);
    console.log(
      JSON.stringify(await run({ companies, keys, agents: agentService(agentRows), agentRows }), undefined, 2),
    );
  } finally {
    await database.close();
    await embedded?.close();
  }
}

const program = new Command('admin')
  .description('The operator’s command line: prints one JSON value on stdout, messages on stderr.')
  .configureOutput({ outputError: (text, write) => write(`${text.trim().replaceAll('\n', ' ')}\n`) });

const company = program.command('company').description('companies, which own agents');
company
  .command('create')
  .description('make a company')
  .requiredOption('--name <text>', 'its name', filled)
  .action(({ name }) => print(({ companies }) => companies.createCompany(name)));

const integration = program.command('integration').description('integrations (ATS), which act for companies');
integration
  .command('create')
  .description('make an integration')
  .requiredOption('--name <text>', 'its name', filled)
  .action(({ name }) => print(({ companies }) => companies.createIntegration(name)));
integration
  .command('grant')
  .description('let an integration act for a company')
  .requiredOption('--integration <id>', 'the integration', uuid)
  .requiredOption('--company <id>', 'the company', uuid)
  .action((pair) => print(({ companies }) => companies.grant(pair.integration, pair.company)));
integration
  .command('revoke')
  .description('take a company from an integration')
  .requiredOption('--integration <id>', 'the integration', uuid)
  .requiredOption('--company <id>', 'the company', uuid)
  .action((pair) => print(({ companies }) => companies.revoke(pair.integration, pair.company)));

const key = program.command('key').description('API keys of companies and integrations');
key
  .command('create')
  .description('make a key; it is shown this once')
  .addOption(new Option('--company <id>', 'whose key it is').argParser(uuid).conflicts('integration'))
  .addOption(new Option('--integration <id>', 'or whose').argParser(uuid))
  .option('--name <text>', 'a name for lists', filled)
  .option('--scopes <a,b>', 'what it may do', scopeList, scopes)
  .option('--expires <iso>', 'when it ends, as RFC 3339', time)
  .option('--allow-ip <cidr>', 'an address or block that may use it; may be repeated', later)
  .option('--per-minute <n>', 'its own rate limit', later)
  .option('--per-hour <n>', 'its own rate limit', later)
  .action(({ company: companyId = null, integration: integrationId = null, ...draft }) =>
    print(async ({ companies, keys }) => {
      if (companyId) await companies.requireCompany(companyId);
      else if (integrationId) await companies.requireIntegration(integrationId);
      else throw new StartError('key create needs --company or --integration');
      const { name = null, expires: expiresAt = null } = draft;
      return keys.create({ companyId, integrationId, name, scopes: draft.scopes, expiresAt });
    }),
  );
const oneKey = (name: string, description: string) =>
  key.command(name).description(description).requiredOption('--key <id>', 'its id (not the key itself)', uuid);
oneKey('suspend', 'stop a key until it is resumed').action((options) => print(({ keys }) => keys.suspend(options.key)));
oneKey('resume', 'let a suspended key go on').action((options) => print(({ keys }) => keys.resume(options.key)));
oneKey('revoke', 'end a key for good').action((options) => print(({ keys }) => keys.revoke(options.key)));

const phoneNumber = program.command('phone-number').description('phone numbers of companies');
phoneNumber
  .command('add')
  .description('give a company a number')
  .requiredOption('--company <id>', 'the company', uuid)
  .requiredOption('--number <e164>', 'the number, like +12025550123', e164)
  .action(({ company: id, number }) => print(({ companies }) => companies.addPhoneNumber(id, number)));
phoneNumber
  .command('deactivate')
  .description('end the use of a number; agents that have it keep it')
  .requiredOption('--id <id>', 'the id of the number', uuid)
  .action(({ id }) => print(({ companies }) => companies.deactivatePhoneNumber(id)));

const agent = program.command('agent').description('agents');
agent
  .command('create')
  .description('make an agent: ONLINE, GENERIC, EN, 30 minutes, unless --json says otherwise')
  .requiredOption('--company <id>', 'the company that owns it', uuid)
  .requiredOption('--name <text>', 'its name')
  .option('--json <fields>', 'other fields, as PATCH takes them', jsonObject, {})
  .action(({ company: companyId, name, json }) =>
    print(async ({ companies, agents }) => {
      await companies.requireCompany(companyId);
      const draft = { type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30, ...json, name };
      return toAnswer(await agents.create(companyId, checkedDraft(draft)));
    }),
  );
agent
  .command('delete')
  .description('delete an agent; its row and history stay')
  .requiredOption('--id <id>', 'the agent', uuid)
  .action(({ id }) =>
    print(async ({ agentRows }) => {
      const deleted = await agentRows.delete(id);
      if (!deleted) throw new UnknownIdError('agent', id);
      return toAnswer(deleted);
    }),
  );

function uuid(text: string): string {
  if (!isUuid(text)) throw new InvalidArgumentError('It must be a UUID.');
  return text.toLowerCase();
}

function filled(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}

function e164(text: string): string {
  if (!/^\+[1-9]\d{1,14}$/.test(text)) throw new InvalidArgumentError('It must be E.164, like +12025550123.');
  return text;
}

function scopeList(text: string): readonly Scope[] {
  const names = text.split(',');
  if (!names.every(isScope)) throw new InvalidArgumentError(`It must be a list of ${scopes.join(', ')}.`);
  return names;
}

function time(text: string): string {
  const form = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;
  if (!form.test(text) || Number.isNaN(Date.parse(text))) {
    throw new InvalidArgumentError('It must be a time with its zone, like 2030-01-31T12:00:00Z.');
  }
  return new Date(text).toISOString();
}

function jsonObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Said below, like every other value that is no object.
  }
  throw new InvalidArgumentError('It must be a JSON object.');
}

function later(): never {
  throw new InvalidArgumentError('Keys with address lists or limits of their own cannot be made yet.');
}

function checkedDraft(draft: object): AgentDraft {
  const validate = compile<AgentDraft>(agentDraftSchema, 'body');
  if (!validate(draft)) throw invalid(toFaults(validate.errors ?? [], 'body'));
  return draft;
}

program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof Error ? `error: ${error.message}` : error);
  process.exit(1);
});

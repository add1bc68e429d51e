import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Value } from '@sinclair/typebox/value';
import { agentVersionRepository } from '../agents/history/repository.ts';
import { agentRepository } from '../agents/repository.ts';
import type { AgentDraft } from '../agents/schema.ts';
import { agentService } from '../agents/service.ts';
import { hashesOf, type KeySecrets, scopes } from '../auth/api-key.ts';
import { apiKeyLifecycle } from '../auth/key-lifecycle.repository.ts';
import { apiKeyRepository } from '../auth/lookup.repository.ts';
import { type CompanyRepository, companyRepository } from '../companies/repository.ts';
import type { Database } from '../database/client.ts';
import { RefusedError } from '../errors.ts';
import { inDataDir } from '../process/data-dir.ts';
import { type Demo, demoSchema } from './demo.schema.ts';

/** The operator of the demo in the audit trail. */
const operator = 'demo';

const draft = {
  name: 'Frontend Developer Interview',
  focus: 'SCREENING',
  language: 'EN',
  duration: 30,
  questions: ['What is your experience with React?'],
  metadata: { department: 'Sales' },
} satisfies Omit<AgentDraft, 'type'>;

interface Options extends KeySecrets {
  readonly database: Database;
  readonly dataDir: string;
}

/**
 * Creates a company with a phone number, an agent and keys, unless an earlier start did so in the same database and its keys
 * may still change agents. If only the agent was deleted, creates another one.
 * @throws StartError if DATA_DIR cannot be written to; then, as a rule, nothing was created
 */
export async function prepareDemo({ database, dataDir, ...secrets }: Options): Promise<Demo> {
  const directory = resolve(dataDir);
  const file = join(directory, 'demo.json');
  const earlier = await readDemo(file);
  const state = earlier && (await stateOf(earlier, database, secrets));
  if (earlier && state === 'usable') return earlier;
  return await inDataDir(directory, async () => {
    // First: each start on a full or read-only disk would create a demo whose keys are lost.
    await appendFile(file, '\n', { mode: 0o600 });
    const demo =
      earlier && state === 'without agent'
        ? { ...earlier, agentId: await createAgent(database, earlier.companyId, { type: 'ONLINE' }) }
        : await makeDemo(database, secrets);
    await writeFile(file, `${JSON.stringify(demo, undefined, 2)}\n`);
    return demo;
  });
}

/**
 * Text for the terminal: a PATCH to paste, for each kind of key.
 * @param baseUrl where the server listens
 */
export function demoText(demo: Demo, baseUrl: string): string {
  const url = `${baseUrl}/agents/${demo.agentId}`;
  return [
    'A PATCH with the API key of the demo company, sk_…:',
    curl(url, demo.companyKey, { duration: 45, metadata: { department: 'Engineering' } }),
    'The same agent with the API key of an applicant tracking system (ATS), which acts for several companies:',
    curl(`${url}?companyId=${demo.companyId}`, demo.atsKey, { backgroundSound: 'OFF', metadata: { source: 'ats' } }),
  ].join('\n\n');
}

async function readDemo(file: string): Promise<Demo | undefined> {
  try {
    const demo: unknown = JSON.parse(await readFile(file, 'utf8'));
    return Value.Check(demoSchema, demo) ? demo : undefined;
  } catch {
    // Missing or unreadable: another demo is created.
    return undefined;
  }
}

/**
 * Whether the curl commands of a demo work.
 * @returns `refused` if the server would refuse one of them: a key was made in another database, has ended or may do less, or
 * the grant has ended
 */
async function stateOf(
  demo: Demo,
  database: Database,
  secrets: KeySecrets,
): Promise<'usable' | 'without agent' | 'refused'> {
  const { companyId, agentId } = demo;
  const { lookUp } = apiKeyRepository(database);
  const lookups = [demo.companyKey, demo.atsKey].map((key) =>
    lookUp(
      { ...hashesOf(key, secrets), companyId, agentId, address: '127.0.0.1', scope: 'write:agents' },
      Number.POSITIVE_INFINITY,
    ),
  );
  const found = await Promise.all(lookups);
  if (!found.every(({ agentWasRead }) => agentWasRead)) return 'refused';
  return found.every(({ agent }) => agent) ? 'usable' : 'without agent';
}

/** @returns its id */
async function createAgent(
  database: Database,
  companyId: string,
  type: Pick<AgentDraft, 'type' | 'companyPhoneNumberId'>,
): Promise<string> {
  const agents = agentService(agentRepository(database), agentVersionRepository(database));
  return (await agents.create(companyId, { ...draft, ...type }, { operator })).agent.id;
}

async function makeDemo(database: Database, secrets: KeySecrets): Promise<Demo> {
  const companies = companyRepository(database.prisma, operator);
  const keys = apiKeyLifecycle(database, secrets, operator);
  const company = await companies.createCompany('Demo company');
  const ats = await companies.createIntegration('Demo ATS');
  await companies.grant(ats.id, company.id);
  const number = await addFreeNumber(companies, company.id);
  const agentId = await createAgent(database, company.id, { type: 'PHONE', companyPhoneNumberId: number.id });
  const key = { companyId: null, integrationId: null, scopes, allowedIps: [], name: 'Demo', expiresAt: null };
  const companyKey = await keys.create({ ...key, companyId: company.id });
  const atsKey = await keys.create({ ...key, integrationId: ats.id });
  return { companyId: company.id, agentId, companyKey: companyKey.key, atsKey: atsKey.key };
}

/** Gives a company one of the numbers reserved for examples. That of an earlier demo in this database is in use. */
async function addFreeNumber(companies: CompanyRepository, companyId: string) {
  for (let tried = 0; ; tried += 1) {
    try {
      return await companies.addPhoneNumber(companyId, `+12025550${tried === 0 ? 123 : 99 + tried}`);
    } catch (error) {
      if (!(error instanceof RefusedError) || tried === 100) throw error;
    }
  }
}

function curl(url: string, key: string, patch: object): string {
  return [
    `curl -X PATCH '${url}'`,
    `-H 'Authorization: Bearer ${key}'`,
    `-H 'Content-Type: application/json'`,
    `-d '${JSON.stringify(patch)}'`,
  ].join(' \\\n  ');
}

import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, inject } from 'vitest';
import { toAnswer } from '../../src/agents/answer.ts';
import { agentVersionRepository } from '../../src/agents/history/repository.ts';
import { purgeAgent } from '../../src/agents/purge.repository.ts';
import { agentRepository } from '../../src/agents/repository.ts';
import type { AgentDraft } from '../../src/agents/schema.ts';
import { agentService } from '../../src/agents/service.ts';
import { type Scope, scopes } from '../../src/auth/api-key.ts';
import { apiKeyLifecycle } from '../../src/auth/key-lifecycle.repository.ts';
import type { Quotas } from '../../src/auth/rate-limits.ts';
import { recordSecret } from '../../src/auth/secret.repository.ts';
import { companyRepository } from '../../src/companies/repository.ts';
import { migrationNames } from '../../src/database/migrate.ts';
import { writeRoleSettings } from '../../src/database/server-role.ts';
import { withMigrationLock } from '../../src/database/session.ts';
import { logOptions } from '../../src/process/log-options.ts';
import { callsOf } from './calls.ts';
import { clientOf } from './client.ts';
import { run } from './connection.ts';
import { asServer, withDatabase } from './global-setup.ts';
import { refuseKeys } from './leaked-keys.ts';
import { newCompany } from './new-company.ts';
import { storedRows } from './stored-rows.ts';
import { buildLimited, openLimited, patientUrl, type TimeLimits, usualLimits } from './time-limits.ts';

export type World = Awaited<ReturnType<typeof openWorld>>;

interface WorldOptions {
  readonly connections?: number;
  readonly docs?: boolean;
  /** The server's rate limits; limits that are not given do not apply. */
  readonly quotas?: Partial<Quotas>;
  /** A previous secret with which keys may have been hashed when the tests create further ones. */
  readonly previousSecret?: string;
  readonly limits?: TimeLimits;
}

const noQuotas: Quotas = { perMinute: 0, perHour: 0, refusedPerMinute: 0 };

/**
 * A server as in production, on a real socket and a new database, with the role that owns no tables. The tests set up and
 * compare rows as the owner. Closed with the file that opened it. `logLines` has its log; an API key in it fails the file.
 */
export async function openWorld(options: WorldOptions = {}) {
  const { connections = 10, docs = true, quotas, previousSecret, limits = usualLimits() } = options;
  const name = `world_${randomUUID().replaceAll('-', '')}`;
  const serverUrl = inject('serverUrl');
  const ownerUrl = withDatabase(serverUrl, name);
  const databaseUrl = asServer(ownerUrl, inject('serverRole'));
  await run(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${inject('template')}`);
  await withMigrationLock(ownerUrl, async (client) => {
    await writeRoleSettings(client);
    await writeRoleSettings(client, inject('serverRole'));
  });

  const logLines: string[] = [];
  const log = new Writable({
    write(chunk, _, done) {
      logLines.push(String(chunk));
      done();
    },
  });
  const secret = randomUUID().repeat(2);
  const database = openLimited(limits, databaseUrl, connections);
  const logger = pino(logOptions('info'), log);
  const parts = { database, secret, migrations: await migrationNames(), logger, docs };
  const app = await buildLimited(limits, { ...parts, ...(quotas && { quotas: { ...noQuotas, ...quotas } }) });
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  const sql = new pg.Pool({ connectionString: patientUrl(ownerUrl), max: 5 });
  sql.on('error', () => {});

  const owned = openLimited('patient', ownerUrl, 10);
  const companies = companyRepository(owned.prisma, operator);
  const keys = apiKeyLifecycle(owned, { secret, previousSecret }, operator);
  const rows = agentRepository(owned);
  const agents = agentService(rows, agentVersionRepository(owned));

  let phoneNumbers = 0;
  let fingerprint: Promise<void> | undefined;

  async function close(): Promise<void> {
    try {
      await app.close();
      await database.close();
      await owned.close();
      await sql.end();
    } finally {
      await run(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
      refuseKeys(logLines);
    }
  }
  afterAll(close);

  return {
    app,
    origin,
    /** The URL for the server's role. */
    databaseUrl,
    /** The URL for the operator's role. */
    ownerUrl,
    secret,
    logLines,
    /** The time limits of its server, and of others that a test opens on its database. */
    limits,
    /** The log stream, for further servers of this world. */
    log,
    sql,
    agents: rows,
    companies,
    keys,

    ...callsOf(origin),

    /** A company with a key that has all scopes. */
    async company() {
      fingerprint ??= recordSecret(owned.prisma, { secret, previousSecret });
      await fingerprint;
      return await newCompany(sql, secret, operator);
    },

    /** A key of an integration that manages the given companies. */
    async ats(...companyIds: string[]) {
      const { id } = await companies.createIntegration('Test ATS');
      for (const companyId of companyIds) await companies.grant(id, companyId);
      const key = await keys.create({ ...keyDraft, integrationId: id });
      return { id, key: key.key, keyId: key.id };
    },

    /** Another company key with all scopes, and its id. */
    newKey: (companyId: string) => keys.create({ ...keyDraft, companyId }),

    /** A company key with the given scopes only. */
    async keyWith(companyId: string, ...some: Scope[]) {
      return (await keys.create({ ...keyDraft, companyId, scopes: some })).key;
    },

    /** A company key with rate limits of its own. */
    async limitedKey(companyId: string, limits: Partial<Pick<Quotas, 'perMinute' | 'perHour'>>) {
      return (await keys.create({ ...keyDraft, companyId, ...limits })).key;
    },

    /** A company key with all scopes that only the given addresses and blocks may use. */
    async keyFrom(companyId: string, ...allowedIps: string[]) {
      return (await keys.create({ ...keyDraft, companyId, allowedIps })).key;
    },

    /** Adds an active phone number, a new one each time, and returns its id. */
    async phoneNumber(companyId: string) {
      const number = `+1202555${String(123 + phoneNumbers).padStart(4, '0')}`;
      phoneNumbers += 1;
      return (await companies.addPhoneNumber(companyId, number)).id;
    },

    /** A new agent of type ONLINE with empty metadata, as an answer shows it. */
    async agent(companyId: string, fields: Partial<AgentDraft> = {}) {
      const { agent } = await agents.create(companyId, { ...freshAgent, ...fields }, { operator });
      const times = { createdAt: agent.createdAt.toISOString(), updatedAt: agent.updatedAt.toISOString() };
      return { ...toAnswer(agent), ...times };
    },

    /** Deletes an agent softly, as the operator does. */
    async deleteAgent(id: string): Promise<void> {
      await sql.query('UPDATE agent SET deleted_at = now() WHERE id = $1', [id]);
    },

    /** Erases a deleted agent, as the operator does. */
    purgeAgent: (id: string) => purgeAgent(owned, id, operator),

    /** A client with a key, typed by the server's OpenAPI document, for well-formed requests. */
    client: (key: string) => clientOf(origin, key),

    ...storedRows(sql),
  };
}

/** The name of the operator in the audit entries of the tests. */
const operator = 'tester';

const keyDraft = { companyId: null, integrationId: null, name: null, scopes, allowedIps: [], expiresAt: null };

const freshAgent = { name: 'Fresh agent', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 } as const;

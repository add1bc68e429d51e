import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { scopes } from '../../../src/auth/api-key.ts';
import { apiKeyLifecycle } from '../../../src/auth/key-lifecycle.repository.ts';
import { companyRepository } from '../../../src/companies/repository.ts';
import { openDatabase } from '../../../src/database/client.ts';
import { makePostgres } from './own-postgres.ts';
import type { SendingWorld } from './webhook-companies.ts';

/** A company with a key for everything, on a PostgreSQL of its own that can be killed. */
export async function openOwnCompany() {
  const postgres = await makePostgres();
  await postgres.start();
  const { ownerUrl, databaseUrl } = await postgres.makeDatabase();
  const sql = new pg.Pool({ connectionString: ownerUrl });
  // A connection that a kill breaks is replaced.
  sql.on('error', () => {});
  onTestFinished(() => sql.end());
  const world: SendingWorld = { databaseUrl, secret: randomUUID().repeat(2), sql };
  return { postgres, world, ...(await makeCompany(ownerUrl, world.secret)) };
}

/** A company with a key for everything. */
export async function makeCompany(ownerUrl: string, secret: string) {
  const database = openDatabase({ url: ownerUrl, connections: 1, connectionLimit: 60_000, statementLimit: 60_000 });
  try {
    const { id: companyId } = await companyRepository(database.prisma, 'tester').createCompany('Observed');
    const draft = { companyId, integrationId: null, name: null, scopes, allowedIps: [], expiresAt: null };
    const { key } = await apiKeyLifecycle(database, { secret }, 'tester').create(draft);
    return { companyId, key };
  } finally {
    await database.close();
  }
}

import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { migrate } from '../../src/database/migrate.ts';
import { admitServerRole } from '../../src/database/server-role.ts';
import { openEmbedded } from '../../src/embedded-postgres/embedded.ts';
import { serverRights } from '../../src/operator/server-rights.statements.ts';
import { run } from './connection.ts';
import { eraseEmbedded } from './erase-embedded.ts';
import { beginTestRun } from './test-run.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A PostgreSQL on which the tests may create databases. */
    serverUrl: string;
    /** A migrated, empty database to copy, with the rights of the server's role. */
    template: string;
    /** The server's role owns nothing; its password is its name. */
    serverRole: string;
  }
}

/**
 * One PostgreSQL for the whole run: an embedded one that is deleted afterwards, or the one in TEST_DATABASE_URL, whose
 * role may create databases.
 */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  beginTestRun();
  const given = process.env['TEST_DATABASE_URL'];
  const server = given ? { url: given, close: async () => {} } : await openOwn();
  const template = `template_${process.pid}_${Date.now()}`;
  await run(server.url, `CREATE DATABASE ${template}`);
  await migrate(withDatabase(server.url, template));
  const serverRole = `server_${template}`;
  await run(server.url, `CREATE ROLE ${serverRole} LOGIN PASSWORD '${serverRole}'`);
  await admitServerRole(withDatabase(server.url, template), serverRole, serverRights);
  provide('serverUrl', server.url);
  provide('template', template);
  provide('serverRole', serverRole);
  return async () => {
    await run(server.url, `DROP DATABASE ${template}`);
    await run(server.url, `DROP ROLE ${serverRole}`);
    await server.close();
  };
}

async function openOwn() {
  const dataDir = await mkdtemp(join(tmpdir(), 'interview-agents-api-'));
  // As root the database runs as another user, who must be able to enter.
  await chmod(dataDir, 0o755);
  // Opened as for a server, because `beginTestRun` handles the signals of this process.
  const embedded = await openEmbedded(dataDir, 'server');
  return {
    url: embedded.url,
    async close() {
      await embedded.close();
      eraseEmbedded(dataDir);
    },
  };
}

/** The URL of another database of the same server. */
export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

/** The URL of the same database for the server's role. */
export function asServer(url: string, role: string): string {
  return Object.assign(new URL(url), { username: role, password: role }).href;
}

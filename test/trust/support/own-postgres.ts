import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { freePort } from '../../../deploy/replicas/programs.ts';
import { migrate } from '../../../src/database/migrate.ts';
import { admitServerRole } from '../../../src/database/server-role.ts';
import { openEmbedded } from '../../../src/embedded-postgres/embedded.ts';
import { serverRights } from '../../../src/operator/server-rights.statements.ts';
import { connect, run } from '../../support/connection.ts';
import { eraseEmbedded } from '../../support/erase-embedded.ts';
import { freezePostgres } from '../../support/frozen-postgres.ts';
import { asServer, withDatabase } from '../../support/global-setup.ts';
import { makeFolder } from '../../support/process.ts';

/** The server's role; its password is its name. */
export const serverRole = 'agents_server';

export type OwnPostgres = Awaited<ReturnType<typeof makePostgres>>;

export type PostgresSettings = Readonly<Record<string, string | number>>;

/**
 * A PostgreSQL that no one else uses, on a port that stays the same: it can be killed, frozen, and started again. Not
 * started yet. Gone with the test.
 * @param settings beside PostgreSQL's own
 */
export async function makePostgres(settings: PostgresSettings = {}) {
  const dataDir = join(await makeFolder(), 'data');
  const { directory, program, owner, url } = await makeCluster(dataDir);
  const port = await freePort();
  const superUrl = Object.assign(new URL(withDatabase(url, 'postgres')), { port }).href;
  const chosen = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings };
  let postmaster: ChildProcess | undefined;

  const hasEnded = () => !postmaster || postmaster.exitCode !== null || postmaster.signalCode !== null;

  async function ended(): Promise<void> {
    if (postmaster && !hasEnded()) await once(postmaster, 'exit');
  }

  /** Starts it, repeatedly while parts of a killed one still run; resolves once it accepts connections. */
  async function start(): Promise<void> {
    for (;;) {
      if (hasEnded()) {
        const parameters = Object.entries(chosen).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
        const options = { ...owner, cwd: '/', env: { LC_ALL: 'C' }, detached: true, stdio: 'ignore' } as const;
        postmaster = spawn(program, ['-D', directory, ...parameters], options);
      }
      if (await answers(superUrl)) return;
      await delay(20);
    }
  }

  function signal(name: NodeJS.Signals): void {
    if (!hasEnded()) postmaster?.kill(name);
  }

  onTestFinished(async () => {
    signal('SIGCONT');
    signal('SIGQUIT');
    await ended();
    eraseEmbedded(dataDir);
  });

  return {
    /** The folder of PostgreSQL. */
    directory,
    /** The user that it runs as; undefined if it is that of this process. */
    owner,
    superUrl,
    start,
    signal,
    ended,

    /** Stops all of its processes (SIGSTOP) and returns a function that resumes them. */
    freeze: (): Promise<() => void> => freezePostgres(Number(postmaster?.pid), superUrl),

    /** Creates a database for a server. @param how such as `TABLESPACE …` */
    async makeDatabase(how = ''): Promise<{ ownerUrl: string; databaseUrl: string }> {
      const ownerUrl = withDatabase(superUrl, 'attacked');
      await run(superUrl, `CREATE DATABASE attacked ${how}`);
      await migrate(ownerUrl);
      await run(superUrl, `CREATE ROLE ${serverRole} LOGIN PASSWORD '${serverRole}'`);
      await admitServerRole(ownerUrl, serverRole, serverRights);
      return { ownerUrl, databaseUrl: asServer(ownerUrl, serverRole) };
    },
  };
}

/** Removes the cluster of an embedded PostgreSQL and the copied programs. */
async function makeCluster(dataDir: string) {
  const { url, close } = await openEmbedded(dataDir, 'operator');
  await close();
  const outside = await readFile(join(dataDir, 'postgres-location'), 'utf8').catch(() => undefined);
  const directory = join(outside ?? join(dataDir, 'postgres'), 'cluster');
  const [, program = ''] = /^(.*?) "-D"/.exec(await readFile(join(directory, 'postmaster.opts'), 'utf8')) ?? [];
  const { uid, gid } = await stat(directory);
  return { directory, program, owner: process.getuid?.() === uid ? undefined : { uid, gid }, url };
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await connect(url)).end();
    return true;
  } catch {
    return false;
  }
}

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { makeFolder } from './process.ts';

const versions = '/usr/lib/postgresql';
const nobody = { uid: 65534, gid: 65534 };

/** Where the commands of the newest PostgreSQL are that Debian's packages have installed. */
export function postgresCommands(): string {
  const installed = existsSync(versions) ? readdirSync(versions) : [];
  const [newest] = installed.toSorted((a, b) => Number(b) - Number(a));
  if (newest === undefined) throw new Error('these tests need a PostgreSQL: apt-get install postgresql');
  return join(versions, newest, 'bin');
}

/**
 * Starts an empty PostgreSQL, which is stopped with the test. It accepts all roles without a password.
 * @returns makes the URL of one of its databases, as one of its roles
 */
export async function openCluster(): Promise<(role: string, database: string) => string> {
  const cluster = join(await makeFolder(), 'cluster');
  await mkdir(cluster);
  // It refuses to run as root.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await chown(cluster, nobody.uid, nobody.gid);
  const run = (command: string, ...parameters: string[]) =>
    execFileSync(join(postgresCommands(), command), ['--pgdata', cluster, ...parameters], {
      cwd: cluster,
      stdio: 'ignore',
      ...(isRoot && nobody),
    });
  const port = await freePort();
  run('initdb', '--username=postgres', '--auth=trust', '--encoding=UTF8');
  const options = `-p ${port} -h 127.0.0.1 -k ''`;
  run('pg_ctl', 'start', '--wait', '--log', join(cluster, 'log'), '--options', options);
  onTestFinished(() => void run('pg_ctl', 'stop', '--mode', 'immediate'));
  return (role, database) => `postgresql://${role}@127.0.0.1:${port}/${database}`;
}

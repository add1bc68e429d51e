import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, writeFile } from 'node:fs/promises';
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
 * Starts an empty PostgreSQL, which is stopped with the test.
 * @param password of the role `postgres`; without it, all roles are accepted without a password
 * @returns makes the URL of one of its databases, as one of its roles
 */
export async function openCluster(password?: string): Promise<(role: string, database: string) => string> {
  const folder = await makeFolder();
  const cluster = join(folder, 'cluster');
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
  const passwordFile = join(folder, 'password');
  if (password !== undefined) await writeFile(passwordFile, password);
  const auth = password === undefined ? ['--auth=trust'] : ['--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  run('initdb', '--username=postgres', '--encoding=UTF8', ...auth);
  const options = `-p ${port} -h 127.0.0.1 -k ''`;
  run('pg_ctl', 'start', '--wait', '--log', join(cluster, 'log'), '--options', options);
  onTestFinished(() => void run('pg_ctl', 'stop', '--mode', 'immediate'));
  return (role, database) => `postgresql://${role}@127.0.0.1:${port}/${database}`;
}

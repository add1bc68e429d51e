import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { appendFile, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { makeFolder } from './process.ts';

const versions = '/usr/lib/postgresql';
/** PostgreSQL refuses to run as root. */
const isRoot = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };

/** The folder of the newest PostgreSQL that Debian's packages have installed. */
export function postgresCommands(): string {
  const installed = existsSync(versions) ? readdirSync(versions) : [];
  const [newest] = installed.toSorted((a, b) => Number(b) - Number(a));
  if (newest === undefined) throw new Error('these tests need a PostgreSQL: apt-get install postgresql');
  return join(versions, newest, 'bin');
}

/**
 * Starts an empty PostgreSQL, which is stopped with the test.
 * @param password of the role `postgres`; without it, all roles are accepted without a password
 * @returns makes the URL of one of its databases, for one of its roles
 */
export async function openCluster(password?: string): Promise<(role: string, database: string) => string> {
  return (await openPrimary(password)).url;
}

/** Starts the same, with functions that stop it and start it again. */
export async function openPrimary(password?: string) {
  const place = await makePlace();
  const passwordFile = join(place.folder, 'password');
  if (password !== undefined) {
    await writeFile(passwordFile, password);
    await giveAway(passwordFile);
  }
  const auth = password === undefined ? ['--auth=trust'] : ['--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  place.run('initdb', '--username=postgres', '--encoding=UTF8', ...auth);
  return await startIn(place);
}

/** Gives a file to the user of PostgreSQL. */
async function giveAway(place: string): Promise<void> {
  if (isRoot) await chown(place, nobody.uid, nobody.gid);
}

type Place = Awaited<ReturnType<typeof makePlace>>;

/**
 * An empty folder for a cluster, and a function that runs PostgreSQL's commands on it as a user that PostgreSQL
 * accepts.
 */
async function makePlace() {
  const folder = await makeFolder();
  const cluster = join(folder, 'cluster');
  await mkdir(cluster, { mode: 0o700 });
  await giveAway(cluster);
  const run = (command: string, ...parameters: string[]) =>
    execFileSync(join(postgresCommands(), command), ['--pgdata', cluster, ...parameters], {
      cwd: cluster,
      stdio: 'ignore',
      ...(isRoot && nobody),
    });
  return { folder, cluster, run, port: await freePort() };
}

/** Starts PostgreSQL on a folder with a cluster. It is stopped with the test. */
async function startIn({ cluster, run, port }: Place) {
  const options = `-p ${port} -h 127.0.0.1 -k ''`;
  let isRunning = false;
  const start = () => {
    run('pg_ctl', 'start', '--wait', '--log', join(cluster, 'log'), '--options', options);
    isRunning = true;
  };
  const stop = (mode: 'fast' | 'immediate') => {
    if (isRunning) run('pg_ctl', 'stop', '--mode', mode);
    isRunning = false;
  };
  start();
  onTestFinished(() => stop('immediate'));
  return {
    url: (role: string, database: string) => `postgresql://${role}@127.0.0.1:${port}/${database}`,
    /** A fast shutdown, as by an operator: sessions are ended, and a standby has received all changes. */
    stop: () => stop('fast'),
    start,
    promote: () => void run('pg_ctl', 'promote', '--wait'),
    /** Makes it a standby of another PostgreSQL, from its next start. */
    async follow(primary: string) {
      const settings = `primary_conninfo = '${primary}'\n`;
      await appendFile(join(cluster, 'postgresql.auto.conf'), settings);
      await writeFile(join(cluster, 'standby.signal'), '');
    },
  };
}

/** Starts a primary and a standby that streams from it; all roles are accepted without a password. */
export async function openPair() {
  const primary = await openPrimary();
  const from = primary.url('postgres', 'postgres');
  const two = await makePlace();
  two.run('pg_basebackup', '--dbname', from, '--checkpoint=fast', '--write-recovery-conf');
  return { primary, standby: await startIn(two) };
}

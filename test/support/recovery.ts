import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openPrimary, postgresCommands } from './debian-postgres.ts';
import { makeFolder, runToEnd } from './process.ts';

type Postgres = Pick<Awaited<ReturnType<typeof openPrimary>>, 'url' | 'start' | 'stop'>;

/**
 * A PostgreSQL of Debian, and what the commands of docs/backup.md on archiving and recovery take from the shell.
 * @param given by default an empty one
 */
export async function openArchivable(given?: Postgres) {
  const old = given ?? (await openPrimary());
  const folder = await makeFolder();
  const places = { ARCHIVE: join(folder, 'archive'), BASE: join(folder, 'base'), RECOVERED: join(folder, 'recovered') };
  await mkdir(places.ARCHIVE);
  if (isRoot) for (const place of [folder, places.ARCHIVE]) await chown(place, 65534, 65534);
  const urls = {
    ADMIN_URL: old.url('postgres', 'postgres'),
    OWNER_URL: old.url('postgres', 'interview_agents'),
  };
  const shell = async (block: string): Promise<string> => {
    const PATH = `${postgresCommands()}:${process.env['PATH']}`;
    const env = { PATH, ...urls, ...places };
    const { code, stdout, stderr } = await runToEnd([...asPostgres, 'sh', '-euc', block], { env, cwd: folder });
    if (code !== 0) throw new Error(`${block}${stderr}`);
    return stdout;
  };
  return { old, folder, ...places, ...urls, shell };
}

const isRoot = process.getuid?.() === 0;

/** PostgreSQL refuses to run as root. */
const asPostgres = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];

import { execFileSync } from 'node:child_process';
import { chown, cp, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { run } from '../support/connection.ts';
import { openOutageClients } from './support/outage-clients.ts';
import { makePostgres, type OwnPostgres } from './support/own-postgres.ts';
import { canMount, mountSmallDisk } from './support/small-disk.ts';

/** Milliseconds for which the disk stays full. */
const lasting = 5_000;

/** A folder on a disk that only PostgreSQL uses. */
async function makeFolderFor({ owner }: OwnPostgres, disk: string): Promise<string> {
  const folder = join(disk, 'postgres');
  await mkdir(folder, { mode: 0o700 });
  if (owner) await chown(folder, owner.uid, owner.gid);
  return folder;
}

test.runIf(canMount)(
  'while the disk of the tables is full changes are 503 and reads are served, and changes are served within 2 s afterwards (needs the right to mount)',
  async () => {
    const disk = await mountSmallDisk(32);
    const postgres = await makePostgres();
    await postgres.start();
    const folder = await makeFolderFor(postgres, disk.folder);
    await run(postgres.superUrl, `CREATE TABLESPACE small LOCATION '${folder}'`);
    const outageClients = await openOutageClients(await postgres.makeDatabase('TABLESPACE small'));
    await outageClients.expectRecoveryFrom({
      hits: (line) => line.startsWith('PATCH') || line === 'POST /agents',
      task: async () => {
        await disk.fill();
        await delay(lasting);
        await disk.empty();
      },
    });
    await outageClients.expectAllSaved();
  },
);

test.runIf(canMount)(
  'a full disk of the write-ahead log ends PostgreSQL: requests are 503 in time, and served within 2 s of its start (needs the right to mount)',
  async () => {
    const disk = await mountSmallDisk(96);
    const postgres = await makePostgres({ max_wal_size: '48MB', min_wal_size: '32MB' });
    const folder = await makeFolderFor(postgres, disk.folder);
    const log = join(postgres.directory, 'pg_wal');
    await cp(log, folder, { recursive: true, preserveTimestamps: true });
    if (postgres.owner) execFileSync('chown', ['-R', `${postgres.owner.uid}:${postgres.owner.gid}`, folder]);
    await rm(log, { recursive: true });
    await symlink(folder, log);
    await postgres.start();
    const outageClients = await openOutageClients(await postgres.makeDatabase());
    await outageClients.expectRecoveryFrom({
      task: async () => {
        await disk.fill();
        await expect(switchUntilFull(postgres)).rejects.toThrow();
        await delay(lasting);
        await disk.empty();
        await postgres.start();
      },
    });
    await outageClients.expectAllSaved();
  },
);

/** Switches to a new file of the write-ahead log until none is left. */
async function switchUntilFull({ superUrl }: OwnPostgres): Promise<never> {
  for (;;) await run(superUrl, 'SELECT pg_switch_wal()');
}

import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { run } from '../support/connection.ts';
import { openPair } from '../support/debian-postgres.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { openArchivable } from '../support/recovery.ts';

const [archive = '', base = ''] = commandsIn('docs/backup.md', 'Continuous archiving');
const [, archiveRest = '', recover = '', start = ''] = commandsIn('docs/backup.md', 'Recovery to a moment');
const [, mode = ''] = /`archive_mode: (\w+)`/.exec(readFileSync('docs/high-availability.md', 'utf8')) ?? [];

test('with the settings of docs/high-availability.md, the archive of a promoted standby holds what the lost primary had not archived', async () => {
  const pair = await openPair();
  const [primary, standby] = [await openArchivable(pair.primary), await openArchivable(pair.standby)];
  for (const { shell, old } of [primary, standby]) {
    await shell(filled(archive, { "'on'": `'${mode}'` }));
    old.stop();
    old.start();
  }
  const add = (url: string, value: string) => run(url, `INSERT INTO kept VALUES ('${value}')`);
  await run(primary.ADMIN_URL, 'CREATE TABLE kept (value text)');
  await primary.shell(base);
  await run(primary.ADMIN_URL, "ALTER SYSTEM SET archive_command = 'false'");
  await run(primary.ADMIN_URL, 'SELECT pg_reload_conf()');
  await add(primary.ADMIN_URL, 'not archived by the primary');
  const [end] = await run(primary.ADMIN_URL, 'SELECT pg_switch_wal() AS lsn');
  const replayed = `SELECT FROM pg_stat_wal_receiver WHERE pg_last_wal_replay_lsn() >= '${end?.['lsn']}'`;
  await vi.waitUntil(async () => (await run(standby.ADMIN_URL, replayed)).length === 1, waiting);
  primary.old.stop();
  pair.standby.promote();
  await add(standby.ADMIN_URL, 'after the failover');
  const [moment] = await run(standby.ADMIN_URL, 'SELECT clock_timestamp()::text AS now');
  await add(standby.ADMIN_URL, 'a mistake');
  await standby.shell(archiveRest);

  const { shell } = primary;
  await shell(`ARCHIVE='${standby.ARCHIVE}'\n${filled(recover, { '…': `'${moment?.['now']}'` })}`);
  const port = String(await freePort());
  await shell(filled(start, { '-p 5433': `-p ${port} -h 127.0.0.1 -c unix_socket_directories=` }));
  onTestFinished(() => shell('pg_ctl stop --pgdata="$RECOVERED" --mode=immediate').then(() => {}));
  const recovered = Object.assign(new URL(primary.ADMIN_URL), { port }).href;
  const isPrimary = async () => (await run(recovered, 'SELECT pg_is_in_recovery() AS is'))[0]?.['is'] === false;
  await vi.waitUntil(isPrimary, waiting);
  expect(await run(recovered, 'SELECT value FROM kept')).toEqual([
    { value: 'not archived by the primary' },
    { value: 'after the failover' },
  ]);
});

test('the archive command of docs/backup.md succeeds for a file that is there already, and never overwrites another one', async () => {
  const { old, shell, folder, ADMIN_URL, ARCHIVE } = await openArchivable();
  await shell(archive);
  old.stop();
  old.start();
  const [setting] = await run(ADMIN_URL, "SELECT current_setting('archive_command') AS command");
  const source = join(folder, 'log');
  const command = String(setting?.['command']).replaceAll('%p', source).replaceAll('%f', 'log');
  await writeFile(source, 'one');
  await shell(command);
  await shell(command);
  expect(await readFile(join(ARCHIVE, 'log'), 'utf8')).toBe('one');
  await writeFile(source, 'two');
  await expect(shell(command)).rejects.toThrow(command);
  expect(await readFile(join(ARCHIVE, 'log'), 'utf8')).toBe('one');
});

const waiting = { timeout: 60_000, interval: 20 };

import { existsSync } from 'node:fs';
import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { run } from '../support/connection.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { openArchivable } from '../support/recovery.ts';

const [archive = '', base = ''] = commandsIn('docs/backup.md', 'Continuous archiving');
const [, archiveRest = '', recover = '', , startOnDebian = ''] = commandsIn('docs/backup.md', 'Recovery to a moment');

test.each(['running', 'stopped'])(
  'where the configuration is outside the data folder, as on Debian, what is recovered starts beside the old cluster, which is %s, and leaves it alone',
  async (state) => {
    const { old, folder, ADMIN_URL, BASE, RECOVERED, shell } = await openArchivable();
    await shell(archive);
    old.stop();
    old.start();
    const add = (value: string) => run(ADMIN_URL, `INSERT INTO kept VALUES ('${value}')`);
    await run(ADMIN_URL, 'CREATE TABLE kept (value text)');
    await shell(base);
    const config = join(folder, 'etc');
    await separate(BASE, config, await settingOf(ADMIN_URL, 'data_directory'));
    await add('good');
    const [moment] = await run(ADMIN_URL, 'SELECT clock_timestamp()::text AS now');
    await add('bad');
    await shell(archiveRest);
    if (state === 'stopped') old.stop();

    await shell(filled(recover, { '…': `'${moment?.['now']}'` }));
    const port = await freePort();
    await shell(
      filled(startOnDebian, {
        '/etc/postgresql/15/main': config,
        '-p 5433': `-p ${port} -h 127.0.0.1 -c unix_socket_directories=`,
      }),
    );
    onTestFinished(() => shell('pg_ctl stop --pgdata="$RECOVERED" --mode=immediate').then(() => {}));
    const recovered = Object.assign(new URL(ADMIN_URL), { port: String(port) }).href;
    const isPrimary = async () => (await run(recovered, 'SELECT pg_is_in_recovery() AS is'))[0]?.['is'] === false;
    await vi.waitUntil(isPrimary, { timeout: 60_000, interval: 20 });
    expect(await settingOf(recovered, 'data_directory')).toBe(RECOVERED);
    expect(await settingOf(recovered, 'work_mem')).toBe('5MB');
    expect(await run(recovered, 'SELECT value FROM kept')).toEqual([{ value: 'good' }]);
    expect(existsSync(`${config}.pid`)).toBe(false);
    if (state === 'stopped') old.start();
    expect(await run(ADMIN_URL, 'SELECT value FROM kept')).toEqual([{ value: 'good' }, { value: 'bad' }]);
  },
);

/** Moves the configuration of a base backup out of it, and has it name what that of a Debian cluster does. */
async function separate(backup: string, config: string, cluster: string): Promise<void> {
  await mkdir(join(config, 'conf.d'), { recursive: true });
  for (const name of ['postgresql.conf', 'pg_hba.conf', 'pg_ident.conf']) {
    await rename(join(backup, name), join(config, name));
  }
  const settings = {
    data_directory: cluster,
    hba_file: join(config, 'pg_hba.conf'),
    ident_file: join(config, 'pg_ident.conf'),
    external_pid_file: `${config}.pid`,
    include_dir: 'conf.d',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
  await appendFile(join(config, 'postgresql.conf'), lines.join(''));
  await writeFile(join(config, 'conf.d', 'more.conf'), "work_mem = '5MB'\n");
}

async function settingOf(url: string, name: string): Promise<string> {
  const [row] = await run(url, `SELECT current_setting('${name}') AS value`);
  return String(row?.['value']);
}

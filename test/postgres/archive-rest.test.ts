import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openEmbedded } from '../../src/embedded-postgres/embedded.ts';
import { run } from '../support/connection.ts';
import { postgresCommands } from '../support/debian-postgres.ts';
import { commandsIn } from '../support/docs.ts';
import { makeDataDir, makeFolder, runToEnd } from '../support/process.ts';

const [archive = ''] = commandsIn('docs/backup.md', 'Continuous archiving');
const [, archiveRest = ''] = commandsIn('docs/backup.md', 'Recovery to a moment');

test('the wait for the rest of the log ends on PostgreSQL 18, also where nothing was written since the last switch', async () => {
  const dataDir = await makeDataDir();
  const ARCHIVE = join(await makeFolder(), 'archive');
  await mkdir(ARCHIVE);
  await chmod(ARCHIVE, 0o777);
  let embedded = await openEmbedded(dataDir, 'server');
  onTestFinished(() => embedded.close());
  const shell = (block: string) => {
    const env = { PATH: `${postgresCommands()}:${process.env['PATH']}`, ADMIN_URL: embedded.url, ARCHIVE };
    return runToEnd(['timeout', '240', 'sh', '-euc', block], { env });
  };
  expect(await shell(archive)).toMatchObject({ code: 0 });
  await embedded.close();
  embedded = await openEmbedded(dataDir, 'server');
  await run(embedded.url, 'CREATE TABLE more ()');
  for (let time = 0; time < 2; time += 1) {
    expect(await shell(archiveRest)).toEqual({ code: 0, stdout: '', stderr: '' });
  }
});

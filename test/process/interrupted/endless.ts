import { readFile } from 'node:fs/promises';
import { inject, test } from 'vitest';
import { run } from '../../support/connection.ts';
import { makeDataDir, postgresPid, startServer } from '../../support/process.ts';

test('waits, with a PostgreSQL of the run, a server and its PostgreSQL, and prints their process ids', async () => {
  const dataDir = await makeDataDir();
  await startServer({ DATA_DIR: dataDir });
  const [{ file } = {}] = await run(
    inject('serverUrl'),
    "SELECT current_setting('data_directory') || '/postmaster.pid' AS file",
  );
  const ownPid = Number.parseInt(await readFile(file, 'utf8'), 10);
  console.log(`running: ${ownPid} ${await postgresPid(dataDir)} ${process.pid}`);
  await new Promise(() => {});
});

import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, test } from 'vitest';
import { run } from '../../support/connection.ts';
import { makeDataDir, postgresPid, startServer } from '../../support/process.ts';

test('waits, with a PostgreSQL of the run, a server and its PostgreSQL, and prints their process ids and one of another program', async () => {
  const dataDir = await makeDataDir();
  await startServer({ DATA_DIR: dataDir });
  const [{ file } = {}] = await run(
    inject('serverUrl'),
    "SELECT current_setting('data_directory') || '/postmaster.pid' AS file",
  );
  const ownPid = Number.parseInt(await readFile(file, 'utf8'), 10);
  // As if a worker and a process of the run had ended, and the system had given their id to a program that began later.
  const other = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  for (const start of ['worker-', 'process-group-']) await writeFile(join(tmpdir(), `${start}${other.pid}`), '1');
  console.log(`running: ${ownPid} ${await postgresPid(dataDir)} ${process.pid}, other: ${other.pid}.`);
  await new Promise(() => {});
});

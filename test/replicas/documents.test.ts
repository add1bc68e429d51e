import { randomUUID } from 'node:crypto';
import { expect, inject, onTestFinished, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { run } from '../support/connection.ts';
import { commandsIn } from '../support/docs.ts';
import { emptyDatabase } from '../support/empty-database.ts';
import { asServer } from '../support/global-setup.ts';
import { startProcess } from '../support/process.ts';

/** A shell that runs commands of the page, with these variables. */
const shell = (commands = '', env: Readonly<Record<string, string>>) =>
  startProcess(['bash', '-euc', commands], { env: { API_KEY_SECRET: randomUUID().repeat(2), ...env } });

async function runToEnd(commands: string | undefined, env: Readonly<Record<string, string>>) {
  const started = shell(commands, env);
  expect(await started.exit, started.stderr).toEqual({ code: 0, signal: null });
  return started.stdout;
}

test('the commands of docs/replicas.md, in their order: migrate as both roles, run, ask, restart both servers', async () => {
  const [migrate, start, ask, restart, ...more] = commandsIn('replicas.md');
  expect(more).toEqual([]);
  const OWNER_URL = await emptyDatabase();
  const SERVER_ROLE = `server_${randomUUID().replaceAll('-', '')}`;
  await run(inject('serverUrl'), `CREATE ROLE ${SERVER_ROLE} LOGIN PASSWORD '${SERVER_ROLE}'`);
  onTestFinished(async () => {
    await run(OWNER_URL, `DROP OWNED BY ${SERVER_ROLE}`);
    await run(inject('serverUrl'), `DROP ROLE ${SERVER_ROLE}`);
  });
  const SERVER_URL = asServer(OWNER_URL, SERVER_ROLE);
  const PORT = String(await freePort());

  const said = await runToEnd(migrate, { OWNER_URL, SERVER_URL, SERVER_ROLE });
  expect(said).toMatch(/applied .*\n[\s\S]*role \w+ may run the server\n[\s\S]*nothing to apply\n/);
  const composition = shell(start, { SERVER_URL, PORT });
  const REPLICAS = await composition.until(/^kill -HUP (\d+) /m);
  await composition.until(new RegExp(`^The proxy listens on (http://127\\.0\\.0\\.1:${PORT})$`, 'm'));
  expect(JSON.parse(await runToEnd(ask, { PORT }))).toEqual({ status: 'ok' });
  await runToEnd(restart, { REPLICAS });
  await composition.until(/^(Restarted both servers)$/m);
  expect(JSON.parse(await runToEnd(ask, { PORT }))).toEqual({ status: 'ok' });
  process.kill(Number(REPLICAS), 'SIGTERM');
  expect(await composition.exit).toEqual({ code: 0, signal: null });
});

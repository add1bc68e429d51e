import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { run } from '../support/connection.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { emptyDatabase } from '../support/empty-database.ts';
import { asServer } from '../support/global-setup.ts';
import { makeFolder, runToEnd, startProcess } from '../support/process.ts';

test('the commands of docs/replicas.md work in order: migrate as both roles, run, send requests, restart both servers', async () => {
  const [, migrate = '', start = '', ask = '', ...more] = commandsIn('docs/replicas.md', "From Debian's packages");
  const [restart = ''] = commandsIn('docs/replicas.md', 'Restarting without a failed request');
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

  const HOME = await makeFolder();
  const secrets = { OWNER_URL, SERVER_URL, API_KEY_SECRET: randomUUID().repeat(2) };
  const lines = Object.entries(secrets).map(([name, value]) => `${name}='${value}'`);
  await writeFile(join(HOME, 'interview-agents.sh'), `${lines.join('\n')}\nexport API_KEY_SECRET\n`);
  const shell = (commands: string) => startProcess(['bash', '-euc', commands], { env: { HOME } });
  const succeed = async (commands: string) => {
    const started = shell(commands);
    expect(await started.exit, started.stderr).toEqual({ code: 0, signal: null });
    return started.stdout;
  };

  const said = await succeed(filled(migrate, { agents_server: SERVER_ROLE }));
  expect(said).toMatch(/applied .*\n[\s\S]*role \w+ may run the server\n[\s\S]*nothing to apply: /);
  // Built already: other files of this suite start the programs meanwhile, and would build beside it.
  const built = { 'npm run build': 'node scripts/build.mjs' };
  const composition = shell(filled(start, { ...built, 'PORT=8080': `PORT=${PORT}` }));
  const REPLICAS = await composition.until(/^kill -HUP (\d+) /m);
  await composition.until(new RegExp(`^The proxy listens on (http://127\\.0\\.0\\.1:${PORT})$`, 'm'));
  expect(JSON.parse(await succeed(filled(ask, { '127.0.0.1:8080': `127.0.0.1:${PORT}` })))).toEqual({ status: 'ok' });
  await succeed(filled(restart, { '…': REPLICAS }));
  await composition.until(/^(Restarted both servers)$/m);
  expect(JSON.parse(await succeed(filled(ask, { '127.0.0.1:8080': `127.0.0.1:${PORT}` })))).toEqual({ status: 'ok' });
  process.kill(Number(REPLICAS), 'SIGTERM');
  expect(await composition.exit).toEqual({ code: 0, signal: null });
});

test.each(['#', '/', '?'])(
  'a password with an unescaped %s in DATABASE_URL stops run.ts with one line that does not show it',
  async (character) => {
    const DATABASE_URL = `postgresql://agents_server:hidden${character}word@127.0.0.1:5432/interview_agents`;
    const command = [process.execPath, '--import', 'tsx', 'deploy/replicas/run.ts'];
    expect(await runToEnd(command, { env: { DATABASE_URL } })).toEqual({
      code: 1,
      stdout: '',
      stderr: 'DATABASE_URL is not a URL: in its password, write @, /, ? and # as %40, %2F, %3F and %23\n',
    });
  },
);

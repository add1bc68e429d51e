import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { build, runToEnd } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const adminProgram = join(import.meta.dirname, '..', '..', 'dist', 'admin.js');
const world = await openWorld();

beforeAll(build);

test('a text that is not UTF-8 is refused by the command line with its option, and nothing is stored', async () => {
  const { id } = await world.company();
  const env = { DATABASE_URL: world.ownerUrl, API_KEY_SECRET: world.secret };
  const rows = async () => [
    (await world.sql.query('SELECT * FROM company')).rows,
    (await world.sql.query('SELECT * FROM agent')).rows,
    (await world.sql.query('SELECT * FROM audit_entry')).rows,
  ];
  const before = await rows();
  // Written so in a terminal of ISO 8859-1. Only a shell can give a process bytes that are not UTF-8.
  const name = '"$(printf \'M\\374ller\')"';
  const refused = (option: string) => ({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      new RegExp(`^error: [^\\n]*${option}[^\\n]* It must be UTF-8, without U\\+FFFD\\.\\n$`),
    ),
  });
  for (const [option, parameters] of [
    ['--name', `company create --name ${name}`],
    ['--name', `company rename --company ${id} --name ${name}`],
    ['--json', `agent create --company ${id} --name Agent --json "{\\"instructions\\":\\"$(printf 'M\\374ller')\\"}"`],
  ] as const) {
    const command = ['sh', '-c', `exec "$0" "$1" ${parameters}`, process.execPath, adminProgram];
    expect(await runToEnd(command, { env })).toEqual(refused(option));
  }
  expect(await rows()).toEqual(before);
});

import { readFileSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { commandsIn } from '../support/docs.ts';
import { makeFolder, runToEnd } from '../support/process.ts';

const unit = readFileSync(
  join(import.meta.dirname, '..', '..', 'deploy', 'systemd', 'interview-agents.service'),
  'utf8',
);
const setting = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1];

/** The unit in a folder, with this machine's Node in place of the one that it names. */
async function placed(text = unit): Promise<string> {
  const file = join(await makeFolder(), 'interview-agents.service');
  await writeFile(file, text.replace('/usr/bin/node', process.execPath));
  return file;
}

const analyze = (...parameters: string[]) => runToEnd(['systemd-analyze', ...parameters]);

test('systemd accepts the unit without a warning, and warns of a wrong line', async () => {
  expect(await analyze('verify', '--man=no', await placed())).toEqual({ code: 0, stdout: '', stderr: '' });
  const { stderr } = await analyze('verify', '--man=no', await placed(unit.replace('ProtectSystem', 'ProtectSystems')));
  expect(stderr).toContain("'ProtectSystems'");
});

test('systemd rates the exposure of the service as at most 2 of 10', async () => {
  const { code, stdout } = await analyze('security', '--offline=yes', '--threshold=20', await placed());
  expect(stdout).toMatch(/Overall exposure level for interview-agents.service: [\d.]+ OK/);
  expect(code).toBe(0);
});

test('the unit runs the built program as a user of its own, and its stop timeout is longer than the drain', () => {
  expect(setting('DynamicUser')).toBe('yes');
  const { SHUTDOWN_GRACE_SECONDS } = readConfig({});
  expect(Number(setting('TimeoutStopSec'))).toBeGreaterThan(SHUTDOWN_GRACE_SECONDS);
  expect(setting('ExecStart')).toBe('/usr/bin/node dist/server.js');
  expect(setting('Environment')).toBe('NODE_ENV=production');
});

test('the commands of docs/operate.md make the file of secrets for root alone, and leave one that is there as it is', async () => {
  const [block = ''] = commandsIn('docs/operate.md', 'systemd');
  const etc = await makeFolder();
  const make = () => runToEnd(['sh', '-euc', (block.split('editor ')[0] ?? '').replaceAll('/etc/', `${etc}/`)]);
  expect(await make()).toEqual({ code: 0, stdout: '', stderr: '' });
  const file = join(etc, 'interview-agents-api', 'environment');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await writeFile(file, 'API_KEY_SECRET=kept\n');
  expect(await make()).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(readFileSync(file, 'utf8')).toBe('API_KEY_SECRET=kept\n');
});

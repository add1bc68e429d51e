import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { environmentSchema } from '../../src/config.ts';
import { operatorProgram } from '../../src/operator/program.ts';
import { runOperator } from '../support/operator.ts';
import { build, runProgram } from '../support/process.ts';

beforeAll(build);

const { commands: groups } = operatorProgram(() => {
  throw new Error('help reads no configuration');
}, process);
const named = groups.flatMap((group) => [
  [group.name()],
  ...group.commands.map((command) => [group.name(), command.name()]),
]);

test('the program, each group and each command have a help text with examples, which the program accepts', async () => {
  expect(named.length).toBeGreaterThan(30);
  for (const path of [[], ...named]) {
    const { code, stdout, stderr } = await runOperator({}, [...path, '--help']);
    expect({ path, code, stderr }).toEqual({ path, code: 0, stderr: '' });
    const [description = '', examples = ''] = stdout.split('\nExamples:\n');
    expect(description, path.join(' ')).toMatch(/^Usage: admin /);
    const shown = examples.trimEnd().split('\n');
    for (const example of shown) {
      const [, words = ''] = /^ {2}npm run --silent admin -- (\S.*)$/.exec(example) ?? [];
      expect(words.startsWith(path.join(' ')), `${path.join(' ')}: ${example}`).toBe(true);
      await expectOptionsOf(words);
    }
  }
});

/** Checks that every option of an example belongs to its command. */
async function expectOptionsOf(words: string) {
  const [group = '', command = ''] = words.split(' ');
  const { stdout } = await runOperator({}, [group, command, '--help']);
  for (const [option] of words.matchAll(/--[a-z-]+/g)) expect(stdout, words).toContain(option);
}

test('the program and each group print their help on stderr and exit with 1 if no command is named', async () => {
  for (const path of [[], ...groups.map((group) => [group.name()])]) {
    const { stdout: help } = await runOperator({}, [...path, '--help']);
    expect(await runOperator({}, path)).toEqual({ code: 1, stdout: '', stderr: help });
  }
});

test('the help of key update explains how to remove what was set', async () => {
  const { stdout } = await runOperator({}, ['key', 'update', '--help']);
  for (const option of ['--expires', '--allow-ip', '--per-minute', '--per-hour']) {
    expect(stdout).toMatch(new RegExp(`${option} <[a-z]+> [^\\n]*none`));
  }
});

test('the help of the server, migrate and admin programs has their use and examples, and unknown options are refused', async () => {
  const programs = { server: 'dist/server.js', migrate: 'dist/migrate.js', admin: 'dist/admin.js' };
  for (const [name, file] of Object.entries(programs)) {
    const path = join(import.meta.dirname, '..', '..', file);
    const help = await runProgram([path, '--help']);
    expect(help).toEqual({ code: 0, stdout: expect.stringMatching(/^Usage: [\s\S]+\nExamples:\n {2}\S/), stderr: '' });
    expect(help.stdout).toContain(`Usage: ${name} `);
    const wrong = await runProgram([path, '--helpp']);
    const stderr = "error: unknown option '--helpp' (Did you mean --help?)\n";
    expect(wrong).toEqual({ code: 1, stdout: '', stderr });
    if (name === 'server') {
      for (const variable of Object.keys(environmentSchema.properties))
        expect(help.stdout).toContain(`  ${variable}\n`);
    }
  }
});

test('the help of the benchmark has its options', async () => {
  const run = join(import.meta.dirname, '..', '..', 'bench', 'run.ts');
  const stdout = expect.stringMatching(/^npm run bench -- \[options\]\n {2}--quick /);
  expect(await runProgram(['--import', 'tsx', run, '--help'])).toEqual({ code: 0, stdout, stderr: '' });
});

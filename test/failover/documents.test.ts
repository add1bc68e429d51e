import { expect, test } from 'vitest';
import { commandsIn, filled } from '../support/docs.ts';
import { startProcess } from '../support/process.ts';

test('the commands of docs/high-availability.md run the cluster, remove the primary, and wait until the servers are ready again', async () => {
  const [, start = '', fail = '', ...more] = commandsIn('docs/high-availability.md', "Try it from Debian's packages");
  expect(more).toEqual([]);
  const shell = (commands: string) => startProcess(['bash', '-euc', commands], {});
  const cluster = shell(start);
  await cluster.until(/^HAProxy leads to the primary on (\S+)$/m);
  const printed = (pattern: RegExp) => pattern.exec(cluster.stdout)?.[1] ?? '';
  const program = printed(/^kill -HUP (\d+) /m);
  const settings = {
    'NODE=…': `NODE=${printed(/^node-1 is process (\d+)$/m)}`,
    'HA=…': `HA=${program}`,
    'OTHER=…': `OTHER=${printed(/^node-2 has its data in .*, Patroni on (\S+)$/m)}`,
    'ORIGIN=…': `ORIGIN=${printed(/^server-1 is process \d+, listens on (\S+),/m)}`,
  };
  const failing = shell(filled(fail, settings));
  expect(await failing.exit, failing.stderr).toEqual({ code: 0, signal: null });
  expect(JSON.parse(failing.stdout)).toEqual({ status: 'ok' });
  await cluster.until(/^node-1 [^\n]*\n[\s\S]*^(node-1 is process \d+)$/m);
  process.kill(Number(program), 'SIGTERM');
  expect(await cluster.exit).toEqual({ code: 0, signal: null });
});

import { expect, test } from 'vitest';
import { commandsIn } from '../support/docs.ts';
import { send } from '../support/http.ts';
import { startProcess } from '../support/process.ts';

test('the commands of docs/high-availability.md start the cluster, whose servers are ready, and a signal ends all of it', async () => {
  const [, start = '', ...more] = commandsIn('docs/high-availability.md', "Try it from Debian's packages");
  expect(more).toEqual([]);
  const { TMPDIR = '' } = process.env;
  const shell = startProcess(['bash', '-euc', start], { env: { TMPDIR } });
  for (const name of ['server-1', 'server-2']) {
    const origin = await shell.until(new RegExp(`^${name} is process \\d+, listens on (\\S+),`, 'm'));
    expect(await send(origin, { method: 'GET', path: '/health/ready' })).toMatchObject({ status: 200 });
  }
  const cluster = await shell.until(/^kill -HUP (\d+) /m);
  process.kill(Number(cluster), 'SIGTERM');
  expect(await shell.exit).toEqual({ code: 0, signal: null });
});

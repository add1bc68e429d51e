import { expect, test } from 'vitest';
import { commandsIn } from '../support/docs.ts';
import { runToEnd } from '../support/process.ts';

/** Runs the commands of the page that upgrade both servers. @param failing how the call of Docker begins that fails */
async function upgrade(failing: string) {
  const [, block = ''] = commandsIn('docs/replicas.md', 'Restarting without a failed request');
  const docker = `docker() { echo "$*"; [[ "$*" != '${failing}'* ]]; }; sleep() { :; }`;
  const { code, stdout } = await runToEnd(['bash', '-c', `${docker}\n${block}`], {});
  const calls = stdout.trim().split('\n');
  return { code, last: calls.at(-1), putBack: calls.flatMap((call) => /rm (\/drain\/.*)/.exec(call)?.[1] ?? []) };
}

const start = 'compose up --detach --no-deps --force-recreate --wait';

test.each([
  ['compose build', []],
  ['compose run --rm migrate', []],
  ['compose exec pgbouncer', []],
  ['compose exec proxy touch /drain/server-1', []],
  [`${start} server-1`, []],
  [`${start} server-2`, ['/drain/server-1']],
])('the upgrade of docs/replicas.md ends where `docker %s` fails', async (failing, putBack) => {
  const outcome = await upgrade(failing);
  expect(outcome).toEqual({ code: 1, last: expect.stringContaining(failing), putBack });
});

test('the upgrade of docs/replicas.md puts each server back that has started', async () => {
  const putBack = ['/drain/server-1', '/drain/server-2'];
  expect(await upgrade('nothing')).toEqual({ code: 0, last: 'compose exec proxy rm /drain/server-2', putBack });
});

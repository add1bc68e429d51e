import { describe, expect, test } from 'vitest';
import { commandsIn } from '../support/docs.ts';
import { runToEnd } from '../support/process.ts';

/**
 * Runs commands of a page that upgrade what it composes.
 * @param failing how the call of Docker begins that fails
 * @param place of the block in its section; by default, that of the servers
 */
async function upgrade([page, section]: readonly [string, string], failing: string, place = 1) {
  const block = commandsIn(page, section)[place] ?? '';
  const docker = `docker() { echo "$*"; [[ "$*" != '${failing}'* ]]; }; sleep() { :; }`;
  const { code, stdout } = await runToEnd(['bash', '-c', `${docker}\n${block}`], {});
  return { code, calls: stdout.trim().split('\n') };
}

describe('docs/replicas.md', () => {
  const section = ['docs/replicas.md', 'Restarting without a failed request'] as const;
  const putBackIn = (calls: readonly string[]) => calls.flatMap((call) => /rm (\/drain\/.*)/.exec(call)?.[1] ?? []);
  const start = 'compose up --detach --no-deps --force-recreate --wait';

  test.each([
    ['compose build', []],
    ['compose run --rm --no-deps migrate', []],
    ['compose exec pgbouncer', []],
    ['compose exec proxy touch /drain/server-1', []],
    [`${start} server-1`, []],
    [`${start} server-2`, ['/drain/server-1']],
  ])('the upgrade ends where `docker %s` fails', async (failing, putBack) => {
    const { code, calls } = await upgrade(section, failing);
    expect({ code, last: calls.at(-1) }).toEqual({ code: 1, last: expect.stringContaining(failing) });
    expect(putBackIn(calls)).toEqual(putBack);
  });

  test('the upgrade puts each server back that has started', async () => {
    const { code, calls } = await upgrade(section, 'nothing');
    expect({ code, last: calls.at(-1) }).toEqual({ code: 0, last: 'compose exec proxy rm /drain/server-2' });
    expect(putBackIn(calls)).toEqual(['/drain/server-1', '/drain/server-2']);
  });

  test('PgBouncer and nginx, which that leaves alone, are replaced by commands of their own, that end where one fails', async () => {
    const commands = [
      'compose up --detach --no-deps --wait pgbouncer',
      'compose up --detach --no-deps --force-recreate --wait proxy',
    ];
    expect(await upgrade(section, 'nothing', 2)).toEqual({ code: 0, calls: commands });
    expect(await upgrade(section, commands[0] ?? '', 2)).toEqual({ code: 1, calls: commands.slice(0, 1) });
  });
});

const migrate = 'compose run --rm --no-deps migrate';
const settle = 'compose run --rm --no-deps settle';
const start = 'compose up --detach --no-deps --wait';

test.each([
  [
    ['docs/operate.md', 'With Docker'],
    ['compose build', migrate, `${start} server`],
  ],
  [
    ['docs/high-availability.md', 'Try it with Docker'],
    ['compose build migrate', migrate, settle, `${start} server-1`, `${start} server-2`],
  ],
] as const)(
  'the upgrade of %j migrates before it replaces a server, and ends where a command fails',
  async (section, commands) => {
    expect(await upgrade(section, 'nothing')).toEqual({ code: 0, calls: commands });
    for (const [at, failing] of commands.entries()) {
      expect(await upgrade(section, failing)).toEqual({ code: 1, calls: commands.slice(0, at + 1) });
    }
  },
);

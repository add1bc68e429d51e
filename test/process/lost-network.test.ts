import { beforeAll, expect, test } from 'vitest';
import { openLink } from '../support/database-link.ts';
import { build, runProgram } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

beforeAll(build);
const world = await openWorld();

const upToDate = 'nothing to apply: the database is up to date, and the role in DATABASE_URL has its settings';

test.each([
  ['npm run migrate', 'dist/migrate.js', 'SET jit = ', `${upToDate}\n`],
  ['a command of the operator', 'dist/admin.js company list', 'FROM "public"."company"', '[]\n'],
])('%s ends though the network to the database is lost after the last answer', async (_, program, last, stdout) => {
  const link = await openLink(world.ownerUrl);
  link.freezeAfter(last);
  const ended = await runProgram(program.split(' '), { env: { DATABASE_URL: link.url } });
  expect(ended).toEqual({ code: 0, stdout, stderr: '' });
  expect(link.asked()).toContain(last);
  // PostgreSQL was not told.
  expect(link.isIdle()).toBe(false);
});

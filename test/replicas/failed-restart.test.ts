import { beforeAll, expect, test, vi } from 'vitest';
import { startComposition } from '../support/composition.ts';
import { build, runToEnd } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

const waiting = { timeout: 60_000, interval: 20 };

test('a server that does not start after a restart is left out while the other one serves, and restarted alone the next time', async () => {
  const { program, world: proxied } = await startComposition(world, { env: { LOG_LEVEL: 'warn' } });
  const { id: companyId, key } = await world.company();
  const { id } = await world.agent(companyId);
  const change = async (duration: number) => (await proxied.patch(key, id, { duration })).status;
  const linesOf = (pattern: RegExp) => program.stdout.match(pattern) ?? [];

  program.signal('SIGHUP');
  await vi.waitUntil(() => linesOf(/^server-1 is process /gm).length === 2, waiting);
  // Servers do not start while a migration is under way. Running ones go on.
  const last = 'WHERE migration_name = (SELECT max(migration_name) FROM _prisma_migrations)';
  await world.sql.query(`UPDATE _prisma_migrations SET finished_at = NULL ${last}`);
  await vi.waitUntil(() => program.stderr.includes('server-2 does not start, and is left out'), waiting);
  for (const duration of [31, 32, 33, 34]) expect(await change(duration)).toBe(200);

  await world.sql.query(`UPDATE _prisma_migrations SET finished_at = now() ${last}`);
  program.signal('SIGHUP');
  await program.until(/^(Restarted both servers)$/m);
  for (const duration of [35, 36, 37, 38]) expect(await change(duration)).toBe(200);
  // At first both start at once.
  expect(linesOf(/^server-\d (?=is process)/gm).slice(2)).toEqual(['server-1 ', 'server-2 ']);
  expect(linesOf(/^server-\d ended .*$/gm)).toEqual(['server-1 ended with 0', 'server-2 ended with 0']);
});

test('SIGTERM while a server is being started leaves no server behind', async () => {
  const { program } = await startComposition(world);
  program.signal('SIGHUP');
  await program.until(/^(server-1 ended with 0)$/m);
  program.signal('SIGTERM');
  expect(await program.exit).toEqual({ code: 0, signal: null });
  expect(program.stderr).not.toContain('does not start');
  const { stdout } = await runToEnd(['ps', '-eo', 'pgid=,args=']);
  const ofGroup = stdout.split('\n').filter((line) => line.trim().startsWith(`${program.pid} `));
  expect(ofGroup.filter((line) => line.includes('dist/server.js'))).toEqual([]);
});

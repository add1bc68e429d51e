import { beforeAll, expect, test, vi } from 'vitest';
import { startComposition } from '../support/composition.ts';
import { build, runToEnd } from '../support/process.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

const waiting = { timeout: 60_000, interval: 20 };

test('a server that does not start after a restart is left out while the other one serves, and restarted alone the next time', () =>
  unlessTooSlow(async ({ timed, atEnd }) => {
    const { program, world: proxied } = await startComposition(world, { env: { LOG_LEVEL: 'warn' }, timed, atEnd });
    const { id: companyId, key } = await world.company();
    const { id } = await world.agent(companyId);
    const change = async (duration: number) => (await proxied.patch(key, id, { duration })).status;
    const linesOf = (pattern: RegExp) => program.stdout.match(pattern) ?? [];

    program.signal('SIGHUP');
    await vi.waitUntil(() => linesOf(/^server-1 is process /gm).length === 2, waiting);
    // Servers do not start while a migration is under way. Running ones go on.
    const last = 'WHERE migration_name = (SELECT max(migration_name) FROM _prisma_migrations)';
    const finish = () => world.sql.query(`UPDATE _prisma_migrations SET finished_at = now() ${last}`);
    await world.sql.query(`UPDATE _prisma_migrations SET finished_at = NULL ${last}`);
    // Without it no server would start when the scene is run again.
    atEnd(async () => void (await finish()));
    await vi.waitUntil(() => program.stderr.includes('server-2 does not start, and is left out'), waiting);
    for (const duration of [31, 32, 33, 34]) expect(await change(duration)).toBe(200);

    await finish();
    program.signal('SIGHUP');
    await program.until(/^(Restarted both servers)$/m);
    for (const duration of [35, 36, 37, 38]) expect(await change(duration)).toBe(200);
    // At first both start at once.
    expect(linesOf(/^server-\d (?=is process)/gm).slice(2)).toEqual(['server-1 ', 'server-2 ']);
    expect(linesOf(/^server-\d ended .*$/gm)).toEqual(['server-1 ended with 0', 'server-2 ended with 0']);
  }));

test('SIGTERM while a server is being started leaves no server behind', async () => {
  const { program } = await startComposition(world);
  const pidsOfServers = async () => {
    const { stdout } = await runToEnd(['ps', '-eo', 'pgid=,pid=,args=']);
    const ofGroup = stdout.split('\n').filter((line) => line.trim().startsWith(`${program.pid} `));
    return ofGroup.filter((line) => line.includes('dist/server.js')).map((line) => Number(line.trim().split(/ +/)[1]));
  };
  const before = await pidsOfServers();
  program.signal('SIGHUP');
  await program.until(/^(server-1 ended with 0)$/m);
  const isNew = async () => (await pidsOfServers()).find((pid) => !before.includes(pid));
  const starting = Number(await vi.waitUntil(isNew, waiting));
  process.kill(starting, 'SIGSTOP');
  program.signal('SIGTERM');
  process.kill(starting, 'SIGCONT');
  expect(await program.exit).toEqual({ code: 0, signal: null });
  expect(program.stdout.match(/^server-\d is process /gm)).toHaveLength(2);
  expect(program.stderr).not.toContain('does not start');
  expect(await pidsOfServers()).toEqual([]);
});

import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { build, hasEnded, startProcess } from '../support/process.ts';

const vitest = join(import.meta.dirname, '..', '..', 'node_modules', 'vitest', 'vitest.mjs');

test.each(['SIGINT', 'SIGTERM'] as const)(
  'a test run that is ended by %s leaves no process behind, and ends no other program that has got an id of one',
  async (signal) => {
    build();
    const config = join(import.meta.dirname, 'interrupted', 'vitest.config.ts');
    const run = startProcess([process.execPath, vitest, 'run', '--config', config], {});
    const other = Number(await run.until(/, other: (\d+)\./));
    onTestFinished(async () => {
      if (!(await hasEnded(other))) process.kill(other, 'SIGKILL');
    });
    const pids = (await run.until(/running: (\d+ \d+ \d+)/)).split(' ').map(Number);
    const ended = () => Promise.all(pids.map(hasEnded));
    expect(await ended()).toEqual([false, false, false]);
    run.signal(signal);
    await run.exit;
    await vi.waitUntil(async () => !(await ended()).includes(false), { timeout: 60_000 });
    expect(await hasEnded(other)).toBe(false);
  },
);

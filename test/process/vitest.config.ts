import { defineConfig } from 'vitest/config';

// Apart from `npm test`, because they take as long as all others together: the programs as processes, the embedded
// PostgreSQL, and upgrades from other releases.
export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    provide: { timeLimits: 'patient' },
    include: ['test/process/*.test.ts'],
    pool: 'forks',
    // One more than the cores of a small machine, because the tests mostly wait for processes and time limits.
    maxWorkers: 3,
    isolate: false,
    // Only a test that hangs should reach these: a start takes seconds, and many more on a busy machine, where some scenes are
    // run again too.
    testTimeout: 900_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});

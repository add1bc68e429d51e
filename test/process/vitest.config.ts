import { defineConfig } from 'vitest/config';

// Apart from `npm test`, since they take as long as all others together: the programs as processes, their starts and ends,
// the embedded PostgreSQL, upgrades from other releases.
export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    include: ['test/process/*.test.ts'],
    pool: 'forks',
    // One more than cores on a small machine: tests wait a lot, for processes and time limits.
    maxWorkers: 3,
    isolate: false,
    // Only what hangs should meet these: starts take seconds each, and many where the machine is busy.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});

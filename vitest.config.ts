import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    provide: { timeLimits: 'patient' },
    include: ['test/**/*.test.ts'],
    // Apart, each with a script of its own: `npm run check` reads the code, test/process takes as long as all of these, the
    // others need what a machine may not have, and test/trust attacks.
    exclude: [
      'test/walls/**',
      'test/process/**',
      'test/browser/**',
      'test/redis/**',
      'test/replicas/**',
      'test/postgres/**',
      'test/prometheus/**',
      'test/systemd/**',
      'test/trust/**',
      'test/failover/**',
    ],
    pool: 'forks',
    // One more than cores on a small machine: tests wait a lot, for processes and time limits.
    maxWorkers: 3,
    // Files share what they import, which saves a fifth of the time, and nothing else: each has a server and a database.
    isolate: false,
    // Only what hangs should meet these: starts take seconds each, and many where the machine is busy.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});

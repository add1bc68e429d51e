import { defineConfig } from 'vitest/config';

// Apart from `npm test`, which needs no nginx, PgBouncer and Redis: Debian's packages nginx, pgbouncer and
// redis-server.
export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    provide: { timeLimits: 'patient' },
    include: ['test/replicas/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Some scenes are run again on a slow machine.
    testTimeout: 900_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});

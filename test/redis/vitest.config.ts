import { defineConfig } from 'vitest/config';

// Apart from `npm test`, which needs no Redis. It is the `redis-server` on the PATH, or the one in REDIS_SERVER, such
// as valkey-server.
export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    provide: { timeLimits: 'patient' },
    include: ['test/redis/*.test.ts'],
    // Each makes a Redis and its clients busy.
    fileParallelism: false,
    // Some scenes are run again on a slow machine.
    testTimeout: 900_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});

import { defineConfig } from 'vitest/config';

// Apart from `npm test`, which must pass where there is no Redis. It is the `redis-server` on the PATH, or what
// REDIS_SERVER names, such as valkey-server.
export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    include: ['test/redis/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});

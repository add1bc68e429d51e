import { defineConfig } from 'vitest/config';

// Apart from `npm test`, because the embedded PostgreSQL has no pg_dump: these need Debian's package `postgresql`.
export default defineConfig({
  test: {
    globalSetup: 'test/support/bare-setup.ts',
    include: ['test/postgres/*.test.ts'],
    // Some scenes are run again on a slow machine.
    testTimeout: 900_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});

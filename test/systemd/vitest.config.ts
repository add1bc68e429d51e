import { defineConfig } from 'vitest/config';

// Apart from `npm test`, which needs no systemd: Debian's package `systemd`, which need not run.
export default defineConfig({
  test: {
    globalSetup: 'test/support/bare-setup.ts',
    include: ['test/systemd/*.test.ts'],
    testTimeout: 180_000,
  },
});

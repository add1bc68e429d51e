import { defineConfig } from 'vitest/config';

// Apart from `npm test`, which needs no browser. Chromium is Debian's, or the one in CHROMIUM.
export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    include: ['test/browser/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});

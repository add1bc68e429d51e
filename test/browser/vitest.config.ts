import { defineConfig } from 'vitest/config';

// Apart from `npm test`, which needs no browser. Chromium is Debian's, or the one in CHROMIUM.
export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    provide: { timeLimits: 'patient' },
    include: ['test/browser/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});

import { defineConfig } from 'vitest/config';

// A test run for `interrupted-run.test.ts` to interrupt: it never ends by itself.
export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    include: ['test/process/interrupted/endless.ts'],
    pool: 'forks',
    testTimeout: 0,
  },
});

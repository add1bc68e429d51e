import { defineConfig } from 'vitest/config';

// Apart from `npm test`, which needs no Prometheus: Debian's packages `prometheus`, which has promtool, and `jq`.
export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    include: ['test/prometheus/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

import { defineConfig } from 'vitest/config';

declare module 'vitest' {
  interface ProvidedContext {
    /** The short form runs fewer and shorter faults. */
    isShort: boolean;
  }
}

// Apart from `npm test`, because the tests need Debian's packages postgresql, patroni, etcd-server and haproxy. With
// `--mode short` they take about four minutes.
export default defineConfig(({ mode }) => ({
  test: {
    globalSetup: 'test/support/bare-setup.ts',
    include: ['test/failover/*.test.ts'],
    // This file measures times; the other files check guarantees and kill primaries as well.
    exclude: mode === 'short' ? ['test/failover/pools.test.ts'] : [],
    provide: { isShort: mode === 'short' },
    pool: 'forks',
    // One cluster at a time.
    fileParallelism: false,
    // A scene in which Patroni takes a slow node for a lost one is run again.
    testTimeout: mode === 'short' ? 1_200_000 : 3_600_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
}));

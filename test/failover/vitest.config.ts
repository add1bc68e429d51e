import { defineConfig } from 'vitest/config';

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether this is the short form: fewer and shorter faults. */
    isShort: boolean;
  }
}

// Apart from `npm test`, since they need Debian's packages postgresql, patroni, etcd-server and haproxy. With `--mode short`,
// about four minutes.
export default defineConfig(({ mode }) => ({
  test: {
    globalSetup: 'test/failover/support/test-run.ts',
    include: ['test/failover/*.test.ts'],
    // A figure more than a guarantee: the others kill primaries too.
    exclude: mode === 'short' ? ['test/failover/pools.test.ts'] : [],
    provide: { isShort: mode === 'short' },
    pool: 'forks',
    // One cluster at a time.
    fileParallelism: false,
    testTimeout: mode === 'short' ? 300_000 : 1_200_000,
    hookTimeout: 180_000,
  },
}));

import { defineConfig } from 'vitest/config';

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether this is the short form: fewer of everything. */
    isShort: boolean;
  }
}

// Attacks that go on until something breaks: apart from `npm test`, since the whole of them takes long. With
// `--mode short`, a few minutes.
export default defineConfig(({ mode }) => ({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    include: ['test/trust/*.test.ts'],
    // What a busy machine adds to times is a thousand times what that file looks for.
    exclude: mode === 'short' ? ['test/trust/timing.test.ts'] : [],
    provide: { isShort: mode === 'short' },
    pool: 'forks',
    // One attack at a time: some of them measure what others suffer meanwhile.
    fileParallelism: false,
    testTimeout: 1_800_000,
    hookTimeout: 180_000,
  },
}));

import { defineConfig } from 'vitest/config';

declare module 'vitest' {
  interface ProvidedContext {
    /** The short form runs fewer and shorter attacks. */
    isShort: boolean;
  }
}

// Apart from `npm test`, because the attacks run for half an hour; with `--mode short`, for a few minutes.
export default defineConfig(({ mode }) => ({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    include: ['test/trust/*.test.ts'],
    // These compare times with those of a quiet machine, and a busy one varies by more.
    exclude:
      mode === 'short'
        ? ['timing', 'webhooks-fairness', 'webhooks-rate'].map((name) => `test/trust/${name}.test.ts`)
        : [],
    provide: { timeLimits: 'patient', isShort: mode === 'short' },
    pool: 'forks',
    // One attack at a time, because some of them measure the answers to other clients.
    fileParallelism: false,
    testTimeout: 1_800_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
}));

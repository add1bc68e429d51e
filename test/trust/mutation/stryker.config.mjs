/**
 * Mutation tests of the pure files with Stryker. A mutant that no test detects is a missing test, or is explained in
 * docs/trust.md.
 */
export default {
  mutate: ['src/agents/rules/patch.ts', 'src/agents/rules/metadata.ts', 'src/auth/api-key.ts'],
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'test/trust/mutation/vitest.config.ts', related: false },
  // Stryker would read tsconfig.json with an API that TypeScript 7 does not have.
  tsconfigFile: 'none',
  ignorePatterns: ['dist', 'docs', 'bench', 'examples'],
  reporters: ['clear-text'],
  clearTextReporter: { reportTests: false, allowColor: false },
  thresholds: { high: 100, low: 95, break: 95 },
};

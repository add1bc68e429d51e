/**
 * Changes the pure files in every small way that Stryker knows, and runs their tests on each change. A change that no
 * test notices is a test that is missing, or one that docs/trust.md explains.
 */
export default {
  mutate: ['src/agents/rules/patch.ts', 'src/agents/rules/metadata.ts', 'src/auth/api-key.ts'],
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'test/trust/mutation/vitest.config.ts', related: false },
  // Stryker would read tsconfig.json with an API that TypeScript 7 lacks.
  tsconfigFile: 'none',
  ignorePatterns: ['dist', 'docs', 'bench', 'examples'],
  reporters: ['clear-text'],
  clearTextReporter: { reportTests: false, allowColor: false },
  thresholds: { high: 100, low: 95, break: 95 },
};

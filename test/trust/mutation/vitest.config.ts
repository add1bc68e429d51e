import { defineConfig } from 'vitest/config';

// The tests that mutants of the pure files must fail: they need no database.
export default defineConfig({
  test: { include: ['test/unit/{agent-patch,metadata,api-key}.test.ts'] },
});

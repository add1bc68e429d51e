import { defineConfig } from 'vitest/config';

// The tests that have to detect mutants of the pure files. They need no database.
export default defineConfig({
  test: { include: ['test/unit/{agent-patch,metadata,api-key}.test.ts'] },
});

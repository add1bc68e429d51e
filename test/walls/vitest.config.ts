import { defineConfig } from 'vitest/config';

// The walls need no database; `npm run check` runs them alone.
export default defineConfig({ test: { include: ['test/walls/*.test.ts'], testTimeout: 120_000 } });

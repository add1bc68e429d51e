import { defineConfig } from 'vitest/config';

// The walls read the code and need no database; a part of `npm run check`.
export default defineConfig({ test: { include: ['test/walls/*.test.ts'], testTimeout: 120_000 } });

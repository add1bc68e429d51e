import { defineConfig } from 'prisma/config';

// `prisma generate` asks for the schema engine only to find its version; any program will do, and none is downloaded.
if (process.argv[2] === 'generate') process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= process.execPath;

// Without it, each command tells checkpoint.prisma.io what it runs, and on which machine.
process.env['CHECKPOINT_DISABLE'] ??= '1';

export default defineConfig({ schema: 'prisma/schema.prisma', migrations: { path: 'prisma/migrations' } });

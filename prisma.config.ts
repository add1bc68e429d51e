import { defineConfig } from 'prisma/config';

// `prisma generate` asks for the schema engine only to find its version; any program will do, and none is downloaded.
if (process.argv[2] === 'generate') process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= process.execPath;

export default defineConfig({ schema: 'prisma/schema.prisma', migrations: { path: 'prisma/migrations' } });

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, DriverAdapterError, type SqlQuery } from '@prisma/driver-adapter-utils';
import type { MigrationDirectory, MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import { codeOf, StartError } from '../errors.ts';
import { loadEngine } from './schema-engine-binding.ts';
import { migrationSession } from './settings.ts';

/**
 * Applies the migrations that a database lacks, in order, as `prisma migrate deploy` does. Stops at the first that fails.
 * @param names of all migrations in the folder, in order
 * @returns the names of those it applied, in order
 * @throws StartError with only the reason, such as `"division by zero" (22012)`
 */
export async function applyMigrations(url: string, folder: string, names: readonly string[]): Promise<string[]> {
  // One connection until the end: it holds the engine's lock.
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    idleTimeoutMillis: 0,
    async onConnect(client) {
      // Without a listener, a connection that breaks would end the process. The current or the next statement fails.
      client.on('error', () => {});
      await client.query(migrationSession);
    },
  });
  pool.on('error', () => {});
  const adapter = new MigrationAdapter(pool);
  let engine: SchemaEngine | undefined;
  try {
    const migrationsList = await readMigrations(folder, names);
    engine = await startEngine(adapter);
    const filters = { externalTables: [], externalEnums: [] };
    return (await engine.applyMigrations({ migrationsList, filters })).appliedMigrationNames;
  } catch (error) {
    throw new StartError(failureReason(error, adapter.refusal), { cause: error });
  } finally {
    engine?.free();
    await pool.end();
  }
}

/** Prisma Migrate on the database of a pool, to be freed. */
export function openEngine(pool: pg.Pool): Promise<SchemaEngine> {
  return startEngine(new MigrationAdapter(pool));
}

async function startEngine(adapter: MigrationAdapter): Promise<SchemaEngine> {
  const Engine = await loadEngine();
  return await Engine.new({ datamodels: undefined }, () => {}, bindMigrationAwareSqlAdapterFactory(adapter));
}

/** Sends a script whole. Prisma's own adapter splits it at every semicolon, even inside functions and texts. */
class MigrationAdapter extends PrismaPg {
  /** PostgreSQL's last error, its message and SQLSTATE. The error of the engine has details of the engine around it. */
  refusal: string | undefined;

  override async connect(): ReturnType<PrismaPg['connect']> {
    const adapter = await super.connect();
    adapter.queryRaw = this.#remember(adapter.queryRaw.bind(adapter));
    adapter.executeRaw = this.#remember(adapter.executeRaw.bind(adapter));
    adapter.executeScript = async (sql) => {
      await adapter.executeRaw({ sql, args: [], argTypes: [] });
    };
    return adapter;
  }

  #remember<Result>(run: (query: SqlQuery) => Promise<Result>): (query: SqlQuery) => Promise<Result> {
    return async (query) => {
      try {
        return await run(query);
      } catch (error) {
        if (error instanceof DriverAdapterError) this.refusal = refusalOf(error.cause) ?? this.refusal;
        throw error;
      }
    };
  }
}

function refusalOf({ originalCode, originalMessage }: DriverAdapterError['cause']): string | undefined {
  if (originalCode === undefined || originalMessage === undefined) return undefined;
  return `"${originalMessage.replace(/\s*\n\s*/g, ' ')}" (${originalCode})`;
}

/** The codes are in https://www.prisma.io/docs/orm/reference/error-reference */
function failureReason(error: unknown, refusal = 'the connection broke, or Prisma Migrate failed'): string {
  if (error instanceof StartError) return error.message;
  switch (codeOf(error)) {
    case 'P1002':
      return 'another program, such as prisma migrate deploy, is migrating it';
    case 'P3005':
      return 'it has tables that no migration made';
    default:
      return refusal;
  }
}

async function readMigrations(folder: string, names: readonly string[]): Promise<MigrationList> {
  const lockfile = 'migration_lock.toml';
  return {
    baseDir: folder,
    lockfile: { path: lockfile, content: await readFile(join(folder, lockfile), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(names.map((name) => readMigration(folder, name))),
  };
}

async function readMigration(folder: string, name: string): Promise<MigrationDirectory> {
  const path = 'migration.sql';
  const value = await readFile(join(folder, name, path), 'utf8');
  return { path: name, migrationFile: { path, content: { tag: 'ok', value } } };
}

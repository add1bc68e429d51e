import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import type { MigrationDirectory, MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import { StartError } from '../start-error.ts';

/** Undoes the limits that the role has for requests: a migration, or the wait for one, may take long. */
export const withoutLimits = 'SET statement_timeout = 0; SET lock_timeout = 0';

/**
 * Applies the migrations that a database lacks, as `prisma migrate deploy` does.
 * @param names of all migrations in the folder, in order
 * @returns the names of those it applied, in order
 * @throws StartError when a migration fails, or failed earlier
 */
export async function applyMigrations(url: string, folder: string, names: readonly string[]): Promise<string[]> {
  // One connection that is never given up before the end: it holds the engine's lock.
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    idleTimeoutMillis: 0,
    onConnect: (client) => client.query(withoutLimits),
  });
  try {
    return await deploy(pool, await readMigrations(folder, names));
  } catch (error) {
    throw new StartError(explain(error), { cause: error });
  } finally {
    await pool.end();
  }
}

async function deploy(pool: pg.Pool, migrationsList: MigrationList): Promise<string[]> {
  const engine = await openEngine(pool);
  try {
    const filters = { externalTables: [], externalEnums: [] };
    return (await engine.applyMigrations({ migrationsList, filters })).appliedMigrationNames;
  } finally {
    engine.free();
  }
}

/** Prisma Migrate on the database of a pool, to be freed. */
export async function openEngine(pool: pg.Pool): Promise<SchemaEngine> {
  const Engine = await loadEngine();
  const adapter = bindMigrationAwareSqlAdapterFactory(new MigrationAdapter(pool));
  return await Engine.new({ datamodels: undefined }, () => {}, adapter);
}

/** Prisma's own adapter cuts scripts at every semicolon, those inside of functions and texts too. */
class MigrationAdapter extends PrismaPg {
  override async connect(): ReturnType<PrismaPg['connect']> {
    const adapter = await super.connect();
    adapter.executeScript = async (sql) => {
      await adapter.executeRaw({ sql, args: [], argTypes: [] });
    };
    return adapter;
  }
}

/** TypeScript knows it only as part of a browser. */
declare const WebAssembly: {
  instantiate(
    program: Uint8Array,
    imports: Record<string, object>,
  ): Promise<{ readonly instance: { readonly exports: { __wbindgen_start(): void } } }>;
};

let loaded: Promise<typeof SchemaEngine> | undefined;

/** The package imports its WebAssembly as a module, which Node 20 cannot; so it is put together here. */
function loadEngine(): Promise<typeof SchemaEngine> {
  loaded ??= instantiate();
  return loaded;
}

async function instantiate(): Promise<typeof SchemaEngine> {
  const bindings = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const script = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const program = await readFile(script.replace(/\.js$/, '.wasm'));
  const { instance } = await WebAssembly.instantiate(program, {
    './schema_engine_bg.js': withoutWaiting(bindings),
  });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return bindings.SchemaEngine;
}

/** The engine forgets a timer of ten seconds, for its lock, that would keep a command from ending. */
function withoutWaiting(bindings: object): object {
  const setTimer = (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds).unref();
  const name = Object.keys(bindings).find((key) => key.startsWith('__wbg_setTimeout_'));
  return name === undefined ? bindings : { ...bindings, [name]: setTimer };
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

/** In one line, without the trace of the engine's own code. */
function explain(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [message = ''] = text.split(/^ *0: /m);
  const reason = message
    .replace('external connector error', '')
    .trim()
    .replace(/\s*\n\s*/g, ' ');
  const [, name] = /migration_name="(.*)"/.exec(text) ?? [];
  return name === undefined ? reason : `the migration ${name} failed: ${reason}`;
}

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { openEngine } from '../../src/database/schema-engine.ts';
import { run } from '../support/connection.ts';
import { withDatabase } from '../support/global-setup.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** An empty database, which the test drops. */
async function openEmpty(): Promise<pg.Pool> {
  const name = `empty_${randomUUID().replaceAll('-', '')}`;
  await run(inject('serverUrl'), `CREATE DATABASE ${name}`);
  const pool = new pg.Pool({ connectionString: withDatabase(inject('serverUrl'), name) });
  pool.on('error', () => {});
  onTestFinished(async () => {
    await pool.end();
    await run(inject('serverUrl'), `DROP DATABASE ${name} WITH (FORCE)`);
  });
  return pool;
}

/** The SQL that creates the tables of the Prisma schema. */
async function sqlOfSchema(pool: pg.Pool): Promise<string> {
  const path = 'prisma/schema.prisma';
  const engine = await openEngine(pool);
  try {
    const { stdout } = await engine.diff({
      from: { tag: 'empty' },
      to: { tag: 'schemaDatamodel', files: [{ path, content: await readFile(path, 'utf8') }] },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    });
    return stdout ?? '';
  } finally {
    engine.free();
  }
}

/** Columns, indexes and keys of all tables. A Prisma schema cannot express checks and lists that may not be null. */
async function tablesOf(pool: pg.Pool): Promise<unknown[]> {
  const columns = `SELECT table_name, column_name, udt_name, column_default, datetime_precision,
                          CASE data_type WHEN 'ARRAY' THEN NULL ELSE is_nullable END AS is_nullable
                     FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_prisma_migrations'
                    ORDER BY 1, 2`;
  const indexes = `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' ORDER BY 1`;
  const keys = `SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
                 WHERE contype IN ('p', 'f', 'u') AND conrelid::regclass::text <> '_prisma_migrations' AND connamespace = 'public'::regnamespace
                 ORDER BY 1`;
  const results = await Promise.all([columns, indexes, keys].map((sql) => pool.query(sql)));
  return results.map(({ rows }) => rows);
}

test('the migrations create exactly the columns, indexes and keys of the Prisma schema', async () => {
  const empty = await openEmpty();
  await empty.query(await sqlOfSchema(empty));
  const [columns, indexes, keys] = await tablesOf(empty);
  expect(await tablesOf(world.sql)).toEqual([columns, indexes, keys]);
  const living = expect.stringMatching(/^CREATE INDEX agent_living_idx .* WHERE \(deleted_at IS NULL\)$/);
  expect(indexes).toContainEqual({ indexdef: living });
});

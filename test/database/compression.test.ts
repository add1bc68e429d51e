import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { connect } from '../support/connection.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });

/** The columns with large values, and the compression method of each: l for lz4, empty for the default. */
const compressions = `SELECT attname, attcompression FROM pg_attribute
  WHERE (attrelid, attname) IN (('agent'::regclass, 'questions'), ('agent'::regclass, 'metadata'),
                                ('agent_version'::regclass, 'snapshot'), ('idempotency_key'::regclass, 'agent'))
  ORDER BY attname`;
const allBy = (attcompression: string) =>
  ['agent', 'metadata', 'questions', 'snapshot'].map((attname) => ({ attname, attcompression }));
const hasLz4 = `SELECT 'lz4' = ANY(enumvals) AS has FROM pg_catalog.pg_settings WHERE name = 'default_toast_compression'`;

test('large values are compressed by lz4 if the server supports it, and by its default method otherwise', async () => {
  const { rows } = await world.sql.query(hasLz4);
  expect((await world.sql.query(compressions)).rows).toEqual(allBy(rows[0].has ? 'l' : ''));
  const { id } = await newSubject(world, { instructions: null, metadata: { notes: 'compressible '.repeat(700) } });
  const stored = await world.sql.query('SELECT pg_column_compression(metadata) AS by FROM agent WHERE id = $1', [id]);
  expect(stored.rows).toEqual([{ by: rows[0].has ? 'lz4' : 'pglz' }]);
});

test('the migration sets lz4 if the server supports it, and nothing otherwise', async () => {
  const script = await readFile('prisma/migrations/20261129010001_growth_compression/migration.sql', 'utf8');
  const { rows } = await world.sql.query(hasLz4);

  /** Runs the migration on a server that lists these methods, and rolls it back. */
  const compressedAfter = async (methods: readonly string[]) => {
    const client = await connect(world.ownerUrl);
    try {
      await client.query(`BEGIN;
        ALTER TABLE agent ALTER COLUMN questions SET COMPRESSION default, ALTER COLUMN metadata SET COMPRESSION default;
        ALTER TABLE agent_version ALTER COLUMN snapshot SET COMPRESSION default;
        ALTER TABLE idempotency_key ALTER COLUMN agent SET COMPRESSION default;
        CREATE SCHEMA other_server;
        CREATE VIEW other_server.pg_settings AS
          SELECT 'default_toast_compression' AS name, ARRAY[${methods.map((name) => `'${name}'`).join(', ')}] AS enumvals;
        SET LOCAL search_path = other_server, pg_catalog, public`);
      await client.query(script);
      return (await client.query(compressions)).rows;
    } finally {
      await client.end();
    }
  };

  expect(await compressedAfter(['pglz'])).toEqual(allBy(''));
  const asked = compressedAfter(['pglz', 'lz4']);
  // A server that was built without lz4 refuses to set it.
  if (rows[0].has) expect(await asked).toEqual(allBy('l'));
  else await expect(asked).rejects.toMatchObject({ code: '0A000' });
});

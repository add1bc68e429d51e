import { expect, inject } from 'vitest';
import { run } from './connection.ts';
import type { World } from './world.ts';

/** Runs statements as the owner, with the checks at their end, and rolls them back. Fails if they fail. */
async function runAndRollBack({ sql }: World, ...statements: readonly string[]): Promise<void> {
  const owner = await sql.connect();
  try {
    await owner.query(`BEGIN; ${statements.join('; ')}; SET CONSTRAINTS ALL IMMEDIATE`);
  } finally {
    await owner.query('ROLLBACK');
    owner.release();
  }
}

const asRole = `SET LOCAL ROLE ${inject('serverRole')}`;

async function stored(world: World, tables: readonly string[]): Promise<unknown[]> {
  const all = tables.map((table) => world.sql.query(`SELECT to_jsonb(t)::text AS row FROM ${table} t ORDER BY 1`));
  return (await Promise.all(all)).map(({ rows }) => rows);
}

/**
 * Expects that the server's role is refused and the owner is not, and that each of the triggers alone refuses it.
 * @param tables that must not change
 * @param triggers without which the role could do it
 */
export async function expectRefused(
  world: World,
  tables: readonly string[],
  sql: string,
  triggers: readonly string[],
): Promise<void> {
  const before = await stored(world, tables);
  await expect(run(world.databaseUrl, sql)).rejects.toMatchObject({ code: '42501' });
  expect(await stored(world, tables)).toEqual(before);
  await runAndRollBack(world, sql);
  const { rows } = await world.sql.query<{ off: string }>(
    `SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname) AS off
       FROM pg_trigger WHERE tgname = ANY($1)`,
    [triggers],
  );
  expect(rows).toHaveLength(new Set(triggers).size);
  for (const { off } of rows) {
    const others = rows.filter((row) => row.off !== off).map((row) => row.off);
    await expect(runAndRollBack(world, ...others, asRole, sql)).rejects.toMatchObject({ code: '42501' });
  }
  await runAndRollBack(world, ...rows.map((row) => row.off), asRole, sql);
}

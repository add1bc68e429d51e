import { expect, onTestFinished, test } from 'vitest';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** The prepared statement names of a process that prepares these statements in this order. */
async function namesOf(statements: readonly string[]): Promise<Map<string, string>> {
  const database = openLimited('patient', world.databaseUrl, 1);
  onTestFinished(() => database.close());
  for (const sql of statements) await database.query({ text: sql, values: [] });
  const rows = await database.query({ text: 'SELECT name, statement FROM pg_prepared_statements', values: [] });
  return new Map(rows.map(Object).map(({ name, statement }) => [statement, name]));
}

test('a statement has the same name in every process and no two have the same, whatever was prepared before', async () => {
  const statements = ['SELECT 1', 'SELECT 2', 'SELECT 3'];
  const [first, second] = [await namesOf(statements), await namesOf(statements.toReversed())];
  for (const sql of statements) {
    expect(first.get(sql)).toBeDefined();
    expect(second.get(sql)).toBe(first.get(sql));
  }
  expect(new Set(first.values()).size).toBe(first.size);
});

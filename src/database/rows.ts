import type { Static, TSchema } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';

/** The first row of a statement that always returns one. @throws Error if it returned none */
export function onlyRow<Row>([row]: readonly Row[]): Row {
  if (row === undefined) throw new Error('a statement that always returns a row returned none');
  return row;
}

/**
 * Validates the rows of raw statements, which have no type.
 * @param schema of one row
 * @returns a function that returns the rows with their type; it throws an Error that names the first wrong column
 */
export function rowsOf<Row extends TSchema>(schema: Row): (rows: readonly unknown[]) => Static<Row>[] {
  const compiled = TypeCompiler.Compile(schema);
  return (rows) =>
    rows.map((row) => {
      if (compiled.Check(row)) return row;
      const { path, message } = compiled.Errors(row).First() ?? {};
      throw new Error(`a statement returned a row of an unexpected shape: ${path} ${message}`);
    });
}

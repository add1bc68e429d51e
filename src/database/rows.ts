import type { Static, TSchema } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';

/**
 * For raw statements, whose rows no type describes.
 * @param schema of one row
 * @returns gives the rows of a statement their type; throws an Error that names the first wrong column
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

import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';

/**
 * For raw statements, whose rows no type describes.
 * @param row the shape of one row
 * @returns checks what a statement returned, and gives it its type; throws an Error that names the first wrong column
 */
export function rowsOf<Row extends TSchema>(row: Row): (found: unknown) => Static<Row>[] {
  const rows = TypeCompiler.Compile(Type.Array(row));
  return (found) => {
    if (rows.Check(found)) return found;
    const { path, message } = rows.Errors(found).First() ?? {};
    throw new Error(`a statement returned rows of an unexpected shape: ${path} ${message}`);
  };
}

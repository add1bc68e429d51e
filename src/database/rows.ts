import type { Static, TSchema } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { parseExact } from '../http/exact-numbers.ts';
import { jsonRowSchema, listedRowSchema } from './row.schema.ts';

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

const listedOf = rowsOf(listedRowSchema);

/**
 * The same for a page of a list, whose rows each have the number of items on all pages as `total`. Page and total are read by one
 * statement: a change between two could make a full page look like the last one, and hide the items behind it.
 * @param schema of an item, with its `id`
 */
export function pageRowsOf<Item extends TSchema>(item: Item) {
  const itemsOf = rowsOf(item);
  return (rows: readonly unknown[]) => {
    const listed = listedOf(rows);
    return { items: itemsOf(listed.filter(({ id }) => id !== null)), total: onlyRow(listed).total };
  };
}

const textsOf = rowsOf(jsonRowSchema);

/**
 * The same for rows whose only column, `json`, is an object as text: Prisma would parse JSON itself, and round what JavaScript
 * cannot hold.
 * @param schema of the object
 */
export function jsonRowsOf<Row extends TSchema>(schema: Row): (rows: readonly unknown[]) => Static<Row>[] {
  const objectsOf = rowsOf(schema);
  return (rows) => objectsOf(textsOf(rows).map(({ json }) => parseExact(json)));
}

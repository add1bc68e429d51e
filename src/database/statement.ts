import { Prisma } from '../generated/prisma/client.ts';
import type { Query } from './client.ts';

/** SQL with its values in place, so that no other file has to know the number or the order of its parameters. */
export type Statement = Prisma.Sql;

/** Makes a statement from a template: `${…}` is a parameter, or another statement as a part of this one. */
export const { sql, join, empty } = Prisma;

/** A part of a statement that is SQL itself. Only for constants of ours: nothing that a client sent may be in it. */
export const constant = Prisma.raw;

/** Runs a statement. Throws what `query` throws. */
export const run = <Row>(query: Query, { text, values }: Statement): Promise<Row[]> => query<Row>(text, values);

import { Prisma } from '../generated/prisma/client.ts';
import type { Query } from './query.ts';

/** SQL with its values, so that callers need not know the number or the order of the parameters. */
export type Statement = Prisma.Sql;

/** Makes a statement from a template: `${…}` is a parameter, or another statement as a part of this one. */
export const { sql, join, empty } = Prisma;

/** A part of a statement that is SQL text. Only for constants of this program: never with input of a client. */
export const constant = Prisma.raw;

/** Runs a statement. Throws what `query` throws. */
export const run = <Row>(query: Query, { text, values }: Statement): Promise<Row[]> => query<Row>(text, values);

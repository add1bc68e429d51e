import { Prisma } from '../generated/prisma/client.ts';
import { firstTime, lastTime } from '../http/stored-time.ts';

/** SQL with its values, so that callers need not know the number or the order of the parameters. */
export type Statement = Prisma.Sql;

/** Makes a statement from a template: `${…}` is a parameter, or another statement as a part of this one. */
export const { sql, join, empty } = Prisma;

/** A part of a statement that is SQL text. Only for constants of this program: never with input of a client. */
export const constant = Prisma.raw;

/**
 * SQL for a time as text: RFC 3339 in UTC, in milliseconds, as in answers. It agrees with `answerableTime`: of infinity `to_char`
 * makes null, which no event can be sent with.
 */
export const timeText = (time: string) => `(CASE WHEN ${time} < '${firstTime}' THEN '${firstTime}'
  WHEN ${time} > '${lastTime}' THEN '${lastTime}' ELSE to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END)`;

/** SQL for a time as `answerableTime` reads it. */
export const readTime = (time: string) => `least(greatest(${time}, '${firstTime}'), '${lastTime}')`;

/**
 * A text with the values of its parameters `$1`, `$2` …, for statements that run so often that their text is made once. Text
 * and values are put together in one file, so that they agree.
 */
export interface PreparedStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * Runs one statement; `rowsOf` gives its rows a type. Throws ApiError DATABASE_UNAVAILABLE if the database does not answer or
 * cannot run it now; otherwise the error of Prisma: the statement or a value is wrong.
 */
export type Query = (statement: PreparedStatement) => Promise<unknown[]>;

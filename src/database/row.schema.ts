import { type Static, Type } from '@sinclair/typebox';
import { orNull, textOrNull } from '../http/json-schema.ts';

export const totalRowSchema = Type.Object({ total: Type.Integer() });

/** A row of a page of a list, with the number of items on all pages. The only row of an empty page has no item. */
export const listedRowSchema = Type.Object({ total: Type.Integer(), id: textOrNull });

/** Rows of raw statements about the database itself. */
export const timeSchema = Type.Object({ now: Type.Date() });
export const stateSchema = Type.Object({ isReadOnly: Type.Boolean(), migrations: Type.Array(Type.String()) });
export const overdueSchema = Type.Object({ overdue: Type.Boolean() });
export type DatabaseState = Static<typeof stateSchema>;
export const nameSchema = Type.Object({ name: Type.String() });
/** A setting of a session: `source` is where its value comes from, as `pg_settings` has it. */
export const settingSchema = Type.Object({ name: Type.String(), value: Type.String(), source: Type.String() });
/** The answer to a question; null if it is about no row. */
export const answerSchema = Type.Object({ answer: orNull(Type.Boolean()) });
/** A migration as the database records it, with the SHA-256 of the script that was applied, in hexadecimal digits. */
export const migrationSchema = Type.Object({ name: Type.String(), finished: Type.Boolean(), checksum: Type.String() });
export const databaseIdSchema = Type.Object({ id: Type.String() });

/** A row whose only column is an object as text. */
export const jsonRowSchema = Type.Object({ json: Type.String() });

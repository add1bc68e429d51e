import { type Static, Type } from '@sinclair/typebox';

/** A row of a statement that counts. */
export const totalRowSchema = Type.Object({ total: Type.Integer() });

/** Rows of raw statements about the database itself. */
export const timeSchema = Type.Object({ now: Type.Date() });
export const stateSchema = Type.Object({ isReadOnly: Type.Boolean(), migrations: Type.Array(Type.String()) });
export const overdueSchema = Type.Object({ overdue: Type.Boolean() });
export type DatabaseState = Static<typeof stateSchema>;
export const databaseIdSchema = Type.Object({ id: Type.String() });

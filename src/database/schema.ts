import { Type } from '@sinclair/typebox';

/** Rows of raw statements about the database itself. */
export const timeSchema = Type.Object({ now: Type.Date() });
export const migrationSchema = Type.Object({ name: Type.String() });
export const deploymentSchema = Type.Object({ id: Type.String() });

import { Type } from '@sinclair/typebox';
import { orNull } from '../../http/json-schema.ts';

/** Rows of the statements that read the history: one member of a snapshot, a whole snapshot. Values are JSON text. */
export const memberSchema = Type.Object({ name: Type.String(), value: Type.String() });
export const snapshotSchema = Type.Object({ createdAt: Type.Date(), snapshot: Type.String() });

/** Rows of the statements that remove old versions: the versions of an agent that may be removed, the number removed. */
export const plannedRowSchema = Type.Object({
  id: Type.String(),
  first: orNull(Type.Integer()),
  stays: orNull(Type.Integer()),
  more: Type.Boolean(),
});
export const removedRowSchema = Type.Object({ versions: Type.Integer() });

export const sizeRowSchema = Type.Object({ bytes: orNull(Type.Number()) });

import { Type } from '@sinclair/typebox';

/** Rows of the statements that export or erase a company. */
export const nextAgentsRowSchema = Type.Object({
  ids: Type.Array(Type.String()),
  next: Type.Union([Type.String(), Type.Null()]),
});
export const erasedRowSchema = Type.Object({ erased: Type.Integer() });
export const erasedAnswersRowSchema = Type.Object({
  erased: Type.Integer(),
  next: Type.Union([Type.Tuple([Type.String(), Type.String()]), Type.Null()]),
});
export const countRowSchema = Type.Object({ name: Type.String(), count: Type.Integer() });
export const lineRowSchema = Type.Object({ id: Type.String(), line: Type.String() });
export const versionLineRowSchema = Type.Object({ id: Type.String(), version: Type.Integer(), line: Type.String() });

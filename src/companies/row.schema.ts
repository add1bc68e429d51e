import { Type } from '@sinclair/typebox';
import { orNull, textOrNull } from '../http/json-schema.ts';

/** Items of the lists of companies and of phone numbers. */
export const companyRowSchema = Type.Object({ id: Type.String(), name: Type.String() });
export const phoneNumberRowSchema = Type.Object({
  id: Type.String(),
  number: Type.String(),
  companyId: Type.String(),
  status: Type.String(),
  createdAt: Type.Date(),
});

/** Rows of the statements that export or erase a company. */
export const nextAgentsRowSchema = Type.Object({
  ids: Type.Array(Type.String()),
  next: textOrNull,
});
export const erasedAnswersRowSchema = Type.Object({
  erased: Type.Integer(),
  next: orNull(Type.Tuple([Type.String(), Type.String()])),
});
export const countRowSchema = Type.Object({ name: Type.String(), count: Type.Integer() });
export const lineRowSchema = Type.Object({ id: Type.String(), line: Type.String() });
export const versionLineRowSchema = Type.Object({ id: Type.String(), version: Type.Integer(), line: Type.String() });

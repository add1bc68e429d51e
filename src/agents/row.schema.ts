import { type TUnsafe, Type } from '@sinclair/typebox';
import { type AgentContent, agentFields, fields, record } from './fields.ts';

/** The schema of a column's type. No narrower than what the database accepts, so that every stored row can be read. */
const inColumn = {
  text: Type.String(),
  uuid: Type.String(),
  integer: Type.Integer(),
  jsonb: Type.Union([Type.Object({}), Type.Array(Type.Unknown())]),
};

/** The result of `agentJson`; times are text. */
export const agentJsonSchema = Type.Object({
  id: Type.String(),
  companyId: Type.String(),
  version: Type.Integer(),
  createdAt: Type.String(),
  updatedAt: Type.String(),
  ...record<{ [Name in keyof AgentContent]: TUnsafe<AgentContent[Name]> }>(agentFields, (name) => {
    const { sqlType, isNullable } = fields[name];
    return isNullable ? Type.Union([inColumn[sqlType], Type.Null()]) : inColumn[sqlType];
  }),
});

/** Rows of the statements about agents, an agent as text for `parseExact`. */
export const agentRowSchema = Type.Object({ agent: Type.String() });
export const activeRowSchema = Type.Object({ active: Type.Boolean() });

/** `agent` is null if it was erased meanwhile; `rest` has the remaining ids in the last row of a full portion, else null. */
export const portionRowSchema = Type.Object({
  agent: Type.Union([Type.String(), Type.Null()]),
  rest: Type.Union([Type.Array(Type.String()), Type.Null()]),
});

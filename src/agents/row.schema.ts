import { type TUnsafe, Type } from '@sinclair/typebox';
import { type AgentContent, agentFields, fields, record } from './fields.ts';

/** What the column of a field may hold, as far as the database sees to it, so that no stored row is ever refused. */
const inColumn = {
  text: Type.String(),
  uuid: Type.String(),
  integer: Type.Integer(),
  jsonb: Type.Union([Type.Object({}), Type.Array(Type.Unknown())]),
};

/** How `agentJson` arrives: times are text. */
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
export const totalRowSchema = Type.Object({ total: Type.Integer() });
export const activeRowSchema = Type.Object({ active: Type.Boolean() });

/** `agent` is null for one that was erased meanwhile; `rest` are the ids behind the last row of a full portion. */
export const portionRowSchema = Type.Object({
  agent: Type.Union([Type.String(), Type.Null()]),
  rest: Type.Union([Type.Array(Type.String()), Type.Null()]),
});

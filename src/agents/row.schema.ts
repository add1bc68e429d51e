import { type TUnsafe, Type } from '@sinclair/typebox';
import { orNull, textOrNull } from '../http/json-schema.ts';
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
    return isNullable ? orNull(inColumn[sqlType]) : inColumn[sqlType];
  }),
});

/**
 * A kept answer: the agent with the fields of the release that stored it, and the time of its change beside it. `agent` is null
 * if it was erased since.
 */
export const keptJsonSchema = Type.Object({
  fingerprint: Type.String(),
  agent: Type.Union([
    Type.Object({ id: Type.String(), companyId: Type.String(), version: Type.Integer(), createdAt: Type.String() }),
    Type.Null(),
  ]),
  /** Only texts count: SQL can store NULL in the list, and a stricter schema would fail the whole batch for one answer. */
  changedFields: Type.Array(Type.Unknown()),
  updatedAt: Type.String(),
});

export const foundRowSchema = Type.Object({
  agent: orNull(agentJsonSchema),
  numberIsActive: Type.Boolean(),
  kept: orNull(keptJsonSchema),
});

/**
 * A row of a change: an agent that was written, with its time in ISO 8601. `id` is null if nothing was written: a company has
 * webhook endpoints (`hasEndpoint`), or the lookup of the keys is too old.
 */
export const writtenRowSchema = Type.Object({
  id: textOrNull,
  updatedAt: textOrNull,
  hasEndpoint: Type.Boolean(),
});

/** A row of `lockDeletedStatement`. */
export const lockedRowSchema = Type.Object({ companyId: Type.String() });

/**
 * `agent` is text for `parseExact`, null in the first row and if it was erased meanwhile; `rest` has the remaining ids in the last
 * row of a full portion, else null.
 */
export const portionRowSchema = Type.Object({
  agent: textOrNull,
  rest: orNull(Type.Array(Type.String())),
});

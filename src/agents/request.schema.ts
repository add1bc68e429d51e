import { type Static, Type } from '@sinclair/typebox';
import { companyQuerySchema } from '../auth/schema.ts';
import { retryHeadersSchema } from '../http/idempotency-key.schema.ts';
import { closed, text, uuid } from '../http/json-schema.ts';
import { pagedQuery } from '../http/pages.schema.ts';
import { fields, namesOf } from './fields.ts';

export const agentParamsSchema = Type.Object({ id: uuid('Agent id') }, closed);

export const changeQuerySchema = Type.Object(
  {
    ...companyQuerySchema.properties,
    dryRun: Type.Optional(
      Type.Boolean({ description: 'true: run every check and answer as if the change were made, but write nothing' }),
    ),
  },
  closed,
);

const entityTags = (description: string) => Type.Optional(Type.String({ format: 'entity-tags', description }));

const conditions = {
  'if-match': entityTags('Change only this version: its entity tag with the quotes, as "7"; a list of them, or *'),
  'if-none-match': entityTags('Change only if none of these entity tags is current, or * for never'),
};

export const changeHeadersSchema = Type.Object({ ...conditions, ...retryHeadersSchema.properties });
export const deleteHeadersSchema = Type.Object(conditions);

export const readHeadersSchema = Type.Object({
  'if-none-match': entityTags('304 while one of these entity tags is current'),
});

/** The filters of the list; an agent must match all that are given. `statements.ts` has the SQL of each. */
const agentFilters = {
  name: Type.Optional(text({ minLength: 1, maxLength: 100, description: 'Part of the name, in any case' })),
  type: Type.Optional({ ...fields.type.schema, description: 'Agents of this type' }),
  focus: Type.Optional({ ...fields.focus.schema, description: 'Agents with this focus' }),
  language: Type.Optional({ ...fields.language.schema, description: 'Agents that speak this language' }),
};
export type FilterName = keyof typeof agentFilters;
export const filterNames = namesOf(agentFilters);

export const agentListQuerySchema = pagedQuery({ ...companyQuerySchema.properties, ...agentFilters });
export type AgentListQuery = Static<typeof agentListQuerySchema>;

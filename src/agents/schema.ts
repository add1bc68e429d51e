import { type Static, type TSchema, type TUnsafe, Type } from '@sinclair/typebox';
import { closed, nullable, timestamp, uuid } from '../http/json-schema.ts';
import { pageOf } from '../http/pages.schema.ts';
import { draft, patch } from './examples.ts';
import {
  type AgentContent,
  type AgentField,
  type AnsweredField,
  agentFields,
  answeredFields,
  fields,
  namesOf,
  record,
  requiredFields,
  type Value,
} from './fields.ts';

/** The schema of each field in a body, with null where it clears. */
const bodySchemas = record<{ [Name in AgentField]: TUnsafe<Value<Name>> }>(agentFields, (name) =>
  fields[name].isNullable ? nullable(fields[name].schema) : fields[name].schema,
);

/** An agent may be PHONE only together with a number (docs/contract.md#the-phone-rule). */
const phoneRule = {
  if: { type: 'object', properties: { type: { const: 'PHONE' } }, required: ['type'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: {
    type: 'object',
    // Without `type` here, linters report it as an unknown member of the examples.
    properties: { type: {}, companyPhoneNumberId: { type: 'string' } },
    required: ['companyPhoneNumberId'],
  },
};

/** Properties of an agent that a body must not set; they are refused as read-only. */
const readOnly = { readOnlyMembers: ['id', 'companyId', 'createdAt', 'updatedAt', 'deletedAt', 'version'] };

/** The body of PATCH: any of the fields. Absent keeps, null clears where it is accepted. */
export const agentPatchSchema = Type.Partial(Type.Object(bodySchemas), {
  ...{ $id: 'AgentPatch', examples: [patch] },
  ...closed,
  ...readOnly,
  ...phoneRule,
});
export type AgentPatch = Static<typeof agentPatchSchema>;

/** A new agent: the body of POST, and what the operator's command line takes. */
export const agentDraftSchema = Type.Composite(
  [
    Type.Pick(Type.Object(bodySchemas), requiredFields),
    Type.Partial(Type.Omit(Type.Object(bodySchemas), requiredFields)),
  ],
  { $id: 'AgentDraft', examples: [draft], ...closed, ...readOnly, ...phoneRule },
);
export type AgentDraft = Static<typeof agentDraftSchema>;

/**
 * The schema of a field in an answer, made from its schema in a body. Enumerations are open, and there are no limits: a value
 * that another release stored stays readable (docs/contract.md#answers). TypeBox has no such conversion.
 */
function inAnswer(name: AgentField): TSchema {
  if (name === 'metadata')
    return Type.Unsafe({ type: 'object', additionalProperties: true, description: 'Custom metadata' });
  return open(bodySchemas[name]);
}

const open = ({ type, format, items, enum: names, description }: TSchema): TSchema =>
  Type.Unsafe({
    type,
    ...(format && { format }),
    ...(items && { items: open(items) }),
    ...(names && { 'x-extensible-enum': names }),
    description,
  });

const members = {
  id: uuid('Agent id'),
  companyId: uuid('Id of the company that owns the agent'),
  createdAt: timestamp('When the agent was created, in UTC'),
  updatedAt: timestamp('When the agent was last changed, in UTC'),
  ...record<{ [Name in AnsweredField]: TUnsafe<AgentContent[Name]> }>(answeredFields, inAnswer),
};

/** The order of members in an answer, as in answers of earlier releases. Fields that are not listed follow. */
// biome-ignore format: a list
const firstMembers: readonly string[] = [
  'id', 'name', 'type', 'focus', 'language', 'duration', 'createdAt', 'updatedAt', 'questions', 'instructions', 'voiceId',
  'companyId', 'metadata', 'cefrLevel', 'backgroundSound',
];
const place = (name: string) => (firstMembers.includes(name) ? firstMembers.indexOf(name) : firstMembers.length);

/** The members of an answer, in their order. */
export const answerMembers = namesOf(members).toSorted((a, b) => place(a) - place(b));

/** The schema of an answer: exactly these members; null if a field is not set. */
export const agentSchema = Type.Object(
  record<typeof members>(answerMembers, (name) => members[name]),
  { $id: 'Agent' },
);
export type AgentAnswer = Static<typeof agentSchema>;

export const agentListSchema = pageOf(agentSchema, 'AgentPage');

import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { JsonObject } from '../json.ts';
import { pageOf } from '../page.schema.ts';
import { limits } from './metadata.ts';

/** A text that the database holds faithfully, its length in Unicode code points. */
export const text = (options: { minLength?: number; maxLength: number; pattern?: string; description: string }) =>
  Type.String({ ...options, storable: true });

/** At least one character that is not white space. */
const notBlank = '[^\\s\\u0085]';

const oneOf = <const Names extends readonly string[]>(names: Names, description: string) =>
  Type.Unsafe<Names[number]>({ type: 'string', enum: names, description });

/** The same schema, accepting null too. Not a union: one fault for one value, and a serializer that takes old values. */
const nullable = <Schema extends TSchema>({ type, enum: names, ...rest }: Schema) =>
  Type.Unsafe<Static<Schema> | null>({ ...rest, type: [type, 'null'], ...(names && { enum: [...names, null] }) });

export const uuid = (description: string) => Type.String({ format: 'uuid', description });

/** What can be set on an agent, each field with its limits: the one table for create, update and answers. */
export const fields = {
  name: text({ minLength: 2, maxLength: 100, pattern: notBlank, description: 'Agent name' }),
  type: oneOf(
    ['UNDEFINED', 'ONLINE', 'PHONE'],
    'Type of the agent. PHONE needs companyPhoneNumberId in the same request',
  ),
  focus: oneOf(
    ['GENERIC', 'SCREENING', 'OUTREACH', 'LANGUAGE_TEST'],
    'GENERIC: interviews without a job. SCREENING: first screening of candidates. OUTREACH: reaching out to candidates. ' +
      'LANGUAGE_TEST: assessment of language proficiency',
  ),
  questions: Type.Array(text({ minLength: 1, maxLength: 2000, pattern: notBlank, description: 'One question' }), {
    maxItems: 50,
    description: 'Questions of the interview; the list is replaced whole',
  }),
  instructions: nullable(
    text({ maxLength: 2000, description: 'Additional instructions for the interview; null clears' }),
  ),
  // biome-ignore format: a table
  language: oneOf(
    ['UNDEFINED', 'EN', 'JA', 'ZH', 'DE', 'HI', 'FR', 'KO', 'PT', 'IT', 'ES', 'ID', 'NL', 'TR', 'FIL', 'PL', 'SV', 'BG', 'RO',
      'AR', 'CS', 'EL', 'FI', 'HR', 'MS', 'SK', 'DA', 'TA', 'UK', 'RU', 'HU', 'NO', 'VI'],
    'Language of the interview',
  ),
  duration: Type.Integer({ minimum: 1, maximum: 180, description: 'Duration of the interview in minutes' }),
  // biome-ignore format: a table
  voiceId: nullable(oneOf(
    ['ALEX', 'PETER', 'MIRIAM', 'SUE', 'VIERA', 'CASANDRA', 'SILVIA', 'MICHAEL', 'LUKE', 'EMMA', 'SARAH', 'EVA'],
    'Voice of the interviewer; null clears',
  )),
  cefrLevel: nullable(oneOf(['A1', 'A2', 'B1', 'B2', 'C1', 'C2'], 'CEFR level for language tests; null clears')),
  companyPhoneNumberId: nullable(
    uuid('Id of an active phone number of the company, for calls from this agent; null clears unless type is PHONE'),
  ),
  metadata: Type.Unsafe<JsonObject>({
    type: 'object',
    // Said aloud, since makers of typed clients take silence for an object without members.
    additionalProperties: true,
    storable: true,
    description:
      `Merged into the stored metadata by JSON Merge Patch (RFC 7396). The result has at most ${limits.bytes} bytes of ` +
      `JSON, ${limits.depth} levels and ${limits.keys} keys`,
  }),
  backgroundSound: nullable(
    oneOf(['OFFICE', 'OFF'], 'Ambient background sound during calls; null clears the override, OFFICE is the default'),
  ),
};

/** An agent may be PHONE only together with a number (contract, section 3, phone rule). */
const phoneRule = {
  if: { type: 'object', properties: { type: { const: 'PHONE' } }, required: ['type'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: {
    type: 'object',
    properties: { companyPhoneNumberId: { type: 'string' } },
    required: ['companyPhoneNumberId'],
  },
};

export const closed = { additionalProperties: false };

/** The body of PATCH: any of the fields. Absent keeps, null clears where it is accepted. */
export const agentPatchSchema = Type.Partial(Type.Object(fields), { ...closed, ...phoneRule });
export type AgentPatch = Static<typeof agentPatchSchema>;

const { name, type, focus, language, duration, ...optional } = fields;

/** A new agent: the body of POST, and what the operator's command line takes. */
export const agentDraftSchema = Type.Composite(
  [Type.Object({ name, type, focus, language, duration }), Type.Partial(Type.Object(optional))],
  { ...closed, ...phoneRule },
);
export type AgentDraft = Static<typeof agentDraftSchema>;

/** A value as it was stored: enumerations are plain text, so that a value outside today's lists stays readable. */
type Stored<Value> = Value extends string ? string : Value;
const stored = <Schema extends TSchema>(schema: Schema) => Type.Unsafe<Stored<Static<Schema>>>(schema);

export type AgentField = keyof typeof fields;
export const agentFields = Object.keys(fields) as readonly AgentField[];

/** All that a patch decides about: every field, as stored. */
export type AgentContent = { readonly [Field in AgentField]: Stored<Static<(typeof fields)[Field]>> };

const timestamp = (description: string) => Type.String({ format: 'date-time', description });

/** The answer: exactly these members, what is not set is null. */
export const agentSchema = Type.Object({
  id: uuid('Agent id'),
  name: stored(fields.name),
  type: stored(fields.type),
  focus: stored(fields.focus),
  language: stored(fields.language),
  duration: stored(fields.duration),
  createdAt: timestamp('When the agent was created, in UTC'),
  updatedAt: timestamp('When the agent was last changed, in UTC'),
  questions: stored(fields.questions),
  instructions: stored(fields.instructions),
  voiceId: stored(fields.voiceId),
  companyId: uuid('Id of the company that owns the agent'),
  metadata: Type.Unsafe<JsonObject>({ type: 'object', additionalProperties: true, description: 'Custom metadata' }),
  cefrLevel: stored(fields.cefrLevel),
  backgroundSound: stored(fields.backgroundSound),
});
export type AgentAnswer = Static<typeof agentSchema>;

export const agentListSchema = pageOf(agentSchema);

/** Of an answer without a body. */
export const noBodySchema = Type.Unsafe<undefined>({ type: 'null' });

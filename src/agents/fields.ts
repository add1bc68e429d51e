import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { JsonObject } from '../http/json.ts';
import { oneOf, text, uuid } from '../http/json-schema.ts';
import { limits } from './rules/metadata.ts';

/** The properties of a field besides the schema of its values. */
interface Details<Value> {
  /** Whether a request may hold null, which clears the field. */
  readonly isNullable: boolean;
  /** Whether a new agent needs a value. */
  readonly isRequired: boolean;
  readonly column: string;
  readonly sqlType: 'text' | 'integer' | 'uuid' | 'jsonb';
  /** The value of an agent that was stored before the field existed, or is created without it. */
  readonly initial: Value | null;
  /** False for a field that answers do not show. */
  readonly isAnswered?: false;
  /** What null does, where it does more than clear the field. Markdown. */
  readonly nullText?: string;
  /** What a value does, where it does more than replace what is stored. Markdown. */
  readonly valueText?: string;
}

/** @param schema what a request may hold in the field, null apart */
const field = <Schema extends TSchema, const Entry extends Details<Static<Schema>>>(schema: Schema, entry: Entry) => ({
  schema,
  ...entry,
});

/** At least one character that is not white space. */
const notBlank = '[^\\s\\u0085]';

/**
 * The table of all fields that can be set on an agent (docs/contract.md#fields). The schemas of requests and answers, the
 * SQL, the history, the rights of the server's role and the documentation are derived from it.
 */
export const fields = {
  name: field(text({ minLength: 2, maxLength: 100, pattern: notBlank, description: 'Agent name' }), {
    isNullable: false,
    isRequired: true,
    column: 'name',
    sqlType: 'text',
    initial: 'Unnamed agent',
  }),
  type: field(
    oneOf(['UNDEFINED', 'ONLINE', 'PHONE'], 'Type of the agent. PHONE needs companyPhoneNumberId in the same request'),
    {
      isNullable: false,
      isRequired: true,
      column: 'type',
      sqlType: 'text',
      initial: 'UNDEFINED',
      valueText: 'replaces; `PHONE` only together with `companyPhoneNumberId`',
    },
  ),
  focus: field(
    oneOf(
      ['GENERIC', 'SCREENING', 'OUTREACH', 'LANGUAGE_TEST'],
      'GENERIC: interviews without a job. SCREENING: first screening of candidates. OUTREACH: reaching out to candidates. ' +
        'LANGUAGE_TEST: assessment of language proficiency',
    ),
    { isNullable: false, isRequired: true, column: 'focus', sqlType: 'text', initial: 'GENERIC' },
  ),
  questions: field(
    Type.Array(text({ minLength: 1, maxLength: 2000, pattern: notBlank, description: 'One question' }), {
      maxItems: 50,
      description: 'Questions of the interview; the list is replaced whole',
    }),
    {
      isNullable: false,
      isRequired: false,
      column: 'questions',
      sqlType: 'jsonb',
      initial: [],
      valueText: 'replaces the whole list',
    },
  ),
  instructions: field(
    text({ maxLength: 2000, description: 'Additional instructions for the interview; null for none' }),
    { isNullable: true, isRequired: false, column: 'instructions', sqlType: 'text', initial: null },
  ),
  language: field(
    // biome-ignore format: a table
    oneOf(
      ['UNDEFINED', 'EN', 'JA', 'ZH', 'DE', 'HI', 'FR', 'KO', 'PT', 'IT', 'ES', 'ID', 'NL', 'TR', 'FIL', 'PL', 'SV', 'BG', 'RO',
        'AR', 'CS', 'EL', 'FI', 'HR', 'MS', 'SK', 'DA', 'TA', 'UK', 'RU', 'HU', 'NO', 'VI'],
      'Language of the interview',
    ),
    { isNullable: false, isRequired: true, column: 'language', sqlType: 'text', initial: 'UNDEFINED' },
  ),
  duration: field(Type.Integer({ minimum: 1, maximum: 180, description: 'Duration of the interview in minutes' }), {
    isNullable: false,
    isRequired: true,
    column: 'duration',
    sqlType: 'integer',
    initial: 30,
  }),
  voiceId: field(
    // biome-ignore format: a table
    oneOf(
      ['ALEX', 'PETER', 'MIRIAM', 'SUE', 'VIERA', 'CASANDRA', 'SILVIA', 'MICHAEL', 'LUKE', 'EMMA', 'SARAH', 'EVA'],
      'Voice of the interviewer; null for none',
    ),
    { isNullable: true, isRequired: false, column: 'voice_id', sqlType: 'text', initial: null },
  ),
  cefrLevel: field(oneOf(['A1', 'A2', 'B1', 'B2', 'C1', 'C2'], 'CEFR level for language tests; null for none'), {
    isNullable: true,
    isRequired: false,
    column: 'cefr_level',
    sqlType: 'text',
    initial: null,
  }),
  companyPhoneNumberId: field(
    uuid('Id of an active phone number of the company, for calls from this agent; null clears unless type is PHONE'),
    {
      isNullable: true,
      isRequired: false,
      column: 'company_phone_number_id',
      sqlType: 'uuid',
      initial: null,
      isAnswered: false,
      nullText: 'clears; 400 where the agent would be `PHONE`',
    },
  ),
  metadata: field(
    // TypeBox would describe the values of a record by a pattern for its keys.
    Type.Unsafe<JsonObject>({
      type: 'object',
      // Without it, generators of typed clients make a type without members.
      additionalProperties: true,
      storable: true,
      description:
        'Custom metadata. An update merges it into what is stored (JSON Merge Patch, RFC 7396). The result has at most ' +
        `${limits.bytes} bytes of JSON, ${limits.depth} levels and ${limits.keys} keys`,
    }),
    { isNullable: false, isRequired: false, column: 'metadata', sqlType: 'jsonb', initial: {}, valueText: 'is merged' },
  ),
  backgroundSound: field(
    oneOf(['OFFICE', 'OFF'], 'Ambient background sound during calls; null for no override of the default, OFFICE'),
    { isNullable: true, isRequired: false, column: 'background_sound', sqlType: 'text', initial: null },
  ),
} as const;

type Fields = typeof fields;

export type AnyField = Details<unknown> & { readonly schema: TSchema };
export type AgentField = keyof Fields;

/** The names of an object's members, in their order. TypeScript alone would give them as plain text. */
export const namesOf = <Members extends object>(members: Members) => Object.keys(members) as (keyof Members & string)[];

/** Makes an object with a member for each name. The only cast of a derived object to its type. */
export function record<Members extends object>(
  names: readonly (keyof Members & string)[],
  member: (name: keyof Members & string) => unknown,
): Members {
  const members: { [name: string]: unknown } = {};
  for (const name of names) members[name] = member(name);
  return members as Members;
}

export const agentFields: readonly AgentField[] = namesOf(fields);
const isRequired = (name: AgentField): name is RequiredField => fields[name].isRequired;
const isAnswered = (name: AgentField): name is AnsweredField => !('isAnswered' in fields[name]);

/** Fields that a new agent must have, and those in answers. */
export const requiredFields = agentFields.filter(isRequired);
export const answeredFields = agentFields.filter(isAnswered);
/** Fields whose values can be so large that PostgreSQL stores them outside of the row (TOAST). */
export const largeFields = agentFields.filter((name) => {
  const { schema, sqlType }: AnyField = fields[name];
  const longest: unknown = schema['maxLength'];
  return sqlType === 'jsonb' || (typeof longest === 'number' && longest > 500);
});

/** What a request may hold in a field. */
export type Value<Name extends AgentField> =
  | Static<Fields[Name]['schema']>
  | (Fields[Name]['isNullable'] extends true ? null : never);
type RequiredField = { [Name in AgentField]: Fields[Name]['isRequired'] extends true ? Name : never }[AgentField];
export type AnsweredField = {
  [Name in AgentField]: Fields[Name] extends { isAnswered: false } ? never : Name;
}[AgentField];

/** A value as it was stored: enumerations are plain text, so that a value outside today's lists stays readable. */
type StoredValue<Value> = Value extends string ? string : Value;

/** The content of an agent: every field, as stored. */
export type AgentContent = { readonly [Name in AgentField]: StoredValue<Value<Name>> };

export const initialContent = record<AgentContent>(agentFields, (name) => fields[name].initial);

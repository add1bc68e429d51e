import type { FastifySchema } from 'fastify';
import { examples } from '../agents/examples.ts';
import { diffSchema, versionedAgentSchema, versionListSchema, versionSchema } from '../agents/history/schema.ts';
import { agentDraftSchema, agentListSchema, agentPatchSchema, agentSchema } from '../agents/schema.ts';
import { companyListSchema, companySchema, phoneNumberListSchema, phoneNumberSchema } from '../companies/schema.ts';
import { problemSchema } from '../errors.ts';
import { faultSchema } from '../faults.ts';
import { healthySchema } from '../health/health.schema.ts';

/** The schemas that have a name in the document. */
const named = new Map<unknown, string>([
  [agentSchema, 'Agent'],
  [agentPatchSchema, 'AgentPatch'],
  [agentDraftSchema, 'AgentDraft'],
  [agentListSchema, 'AgentPage'],
  [versionSchema, 'AgentVersion'],
  [versionListSchema, 'AgentVersionPage'],
  [versionedAgentSchema, 'VersionedAgent'],
  [diffSchema, 'AgentDiff'],
  [companySchema, 'Company'],
  [companyListSchema, 'CompanyPage'],
  [phoneNumberSchema, 'PhoneNumber'],
  [phoneNumberListSchema, 'PhoneNumberPage'],
  [healthySchema, 'Health'],
  [problemSchema, 'Problem'],
  [faultSchema, 'Fault'],
]);

/** The named schemas, each written out. */
export function components(): Record<string, object> {
  return Object.fromEntries(
    [...named].map(([schema, name]) => {
      const example = examples[name];
      return [name, { ...members(schema), ...(example && { examples: [example] }) }];
    }),
  );
}

/** A schema, or anything that holds schemas, as the document shows it: named ones by reference, without our own words. */
export function published(value: unknown): unknown {
  const name = named.get(value);
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
  if (Array.isArray(value)) return value.map(published);
  return typeof value === 'object' && value !== null ? members(value) : value;
}

/** Path, query and headers as the document shows them, with what is judged outside the schemas. */
export function publishedParameters({ params, querystring, headers }: FastifySchema): FastifySchema {
  return {
    ...(params !== undefined && { params: members(params) }),
    ...(querystring !== undefined && { querystring: publishedQuery(members(querystring)) }),
    headers: {
      type: 'object',
      properties: { ...capitalised(members(headers)['properties']), 'X-Request-Id': requestId },
    },
  };
}

/** Step 7 of the contract's order of checks demands a UUID as `companyId`, of ATS keys alone. */
function publishedQuery(query: Record<string, unknown>): Record<string, unknown> {
  const { companyId, ...others } = members(query['properties']);
  const company = companyId !== undefined && { companyId: { ...members(companyId), type: 'string', format: 'uuid' } };
  return { ...query, properties: { ...company, ...others } };
}

/** What requestIdOf accepts; another value is replaced. */
const requestId = {
  type: 'string',
  pattern: '^[A-Za-z0-9._-]{1,128}$',
  description:
    'An id for the request, repeated in the answer and in the log; one that does not match the pattern is replaced',
};

const capitalised = (properties: unknown) =>
  Object.fromEntries(
    Object.entries(members(properties)).map(([name, schema]) => [
      name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()),
      schema,
    ]),
  );

const ownKeywords = ['storable', 'deepest'];

/** Our own formats, as patterns: what validation.ts accepts in headers and paths. */
const tag = '(?:W/)?"[!#-~\\x80-\\xff]*"';
const patterns = new Map<unknown, string>([
  ['version', '^[1-9]\\d{0,8}$'],
  ['entity-tags', `^[ \\t]*(?:\\*|(?:,[ \\t]*)*${tag}(?:[ \\t]*,(?:[ \\t]*${tag})?)*)[ \\t]*$`],
  ['idempotency-key', '^(?:[!#-~][!-~]{0,254}|"(?:[!#-\\[\\]-~]|\\\\["\\\\]){1,255}")$'],
]);

/** The members of a schema, published without the words of validation.ts. */
function members(schema: unknown): Record<string, unknown> {
  const own = Object.entries(schema ?? {}).filter(([keyword]) => !ownKeywords.includes(keyword));
  return Object.fromEntries(
    own.map(([keyword, value]) => {
      const pattern = keyword === 'format' ? patterns.get(value) : undefined;
      return pattern === undefined ? [keyword, published(value)] : ['pattern', pattern];
    }),
  );
}

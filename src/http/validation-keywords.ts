import type { AnySchemaObject } from 'ajv';
import { Ajv, type ErrorObject } from 'ajv';
import { type Complaint, complaints, type Findings, listedFaults } from './faults.ts';
import { wrongHeaderFields } from './header-fields.ts';
import { unstorable } from './json.ts';
import { nearestName } from './nearest-name.ts';
import { type Page, readPage } from './pages.ts';
import { maxUrlLength } from './size-limits.ts';
import { uuidPattern } from './uuid.ts';

/** The format `version`: the number of a version in a path or a query. */
export const versionFormat = /^[1-9]\d{0,8}$/;

/** The function of a keyword in Ajv; if it returns false, the faults are in `errors`. */
interface KeywordCheck<Value> {
  (value: Value): boolean;
  errors?: Partial<ErrorObject>[];
}

/**
 * Ajv with our own formats and keywords:
 * - `closed`: no members but those in `properties`. Unlike Ajv's `additionalProperties`, it gives one error for all of them.
 * - `readOnlyMembers`: names that `closed` refuses as read-only.
 * - `storable`: the database can store the value, and every value inside it, exactly.
 * - `headerFields`: an object of headers that are to be sent with requests.
 * - `deepest`: how far into a list a query may reach, `page` × `limit`.
 *
 * `closed`, `storable` and `headerFields` give one error for all that they find: its `params` are `Findings`.
 *
 * Nothing is coerced, removed or filled in if a value could be lost by it. All faults are reported, with their values.
 */
export function ourAjv(): Ajv {
  const options = { allErrors: true, coerceTypes: false, removeAdditional: false, useDefaults: false, verbose: true };
  const ajv = new Ajv({ ...options, allowUnionTypes: true });
  ajv.addFormat('uuid', uuidPattern);
  ajv.addFormat('version', versionFormat);
  ajv.addKeyword({ keyword: 'readOnlyMembers', schemaType: 'array' });
  ajv.addFormat('webhook-url', isWebhookUrl);
  ajv.addKeyword({
    keyword: 'closed',
    type: 'object',
    schemaType: 'boolean',
    before: 'properties',
    compile: finding('closed', unknownMembers),
  });
  ajv.addKeyword({ keyword: 'storable', schemaType: 'boolean', compile: finding('storable', unstorable) });
  ajv.addKeyword({
    keyword: 'headerFields',
    schemaType: 'boolean',
    compile: finding('headerFields', wrongHeaderFields),
  });
  ajv.addKeyword({ keyword: 'deepest', type: 'object', schemaType: 'number', compile: deepestKeyword });
  return ajv;
}

/** Whether an error of Ajv holds the findings of one of our keywords. */
export const holdsFindings = ({ keyword }: ErrorObject) => ['closed', 'storable', 'headerFields'].includes(keyword);

function unknownMembers(value: object, { properties, readOnlyMembers = [] }: AnySchemaObject): Findings {
  const known = Object.keys(properties);
  const unknown = Object.keys(value).filter((name) => !Object.hasOwn(properties, name));
  const complain = (name: string) =>
    readOnlyMembers.includes(name) ? complaints.readOnly() : unknownMember(name, known);
  const first = unknown.slice(0, listedFaults).map((name) => ({ path: [name], complaint: complain(name) }));
  return { first, count: unknown.length };
}

/** Suggests a known member with a similar name: up to a third of the letters, rounded up, may differ. */
function unknownMember(written: string, known: readonly string[]): Complaint {
  const meant = written.length > 40 ? undefined : nearestName(written, known, Math.ceil(written.length / 3));
  return complaints.unknownMember(meant, known);
}

/** A keyword that gives one error with all that `find` finds in a value, by the schema that has the keyword. */
const finding =
  <Value>(keyword: string, find: (value: Value, schema: AnySchemaObject) => Findings) =>
  (_: unknown, schema: AnySchemaObject): KeywordCheck<Value> => {
    const check: KeywordCheck<Value> = (value) => {
      const findings = find(value, schema);
      return findings.count === 0 || refuse(check, keyword, findings);
    };
    return check;
  };

/** Refuses only what no setting allows. Whether webhooks may go to the URL is checked later (webhooks/target.ts). */
function isWebhookUrl(text: string): boolean {
  if (!/^https?:\/\/[!-~]+$/i.test(text) || /[\\#]/.test(text)) return false;
  // Ajv checks the format also of what is over `maxLength`, and a host in Punycode takes time by the square of its length.
  if (text.length > maxUrlLength) return true;
  if (!URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username === '' && password === '';
}

function deepestKeyword(limit: number): KeywordCheck<Partial<Page>> {
  const check: KeywordCheck<Partial<Page>> = (query) => {
    const { page, limit: perPage } = readPage(query);
    // A number that is too large by itself is reported by its own schema.
    const isTooDeep = page * perPage > limit && page <= limit && perPage <= limit;
    return !isTooDeep || refuse(check, 'deepest', { path: ['page'], limit: Math.floor(limit / perPage) });
  };
  return check;
}

function refuse<Value>(check: KeywordCheck<Value>, keyword: string, params: ErrorObject['params']): false {
  check.errors = [{ keyword, params }];
  return false;
}

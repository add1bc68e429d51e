import type { Json } from '../../../src/http/json.ts';
import type { ProblemCode } from '../../../src/http/problems.ts';
import { type Document, faultsOf } from '../../support/document.ts';
import { mergePatch } from '../../support/merge-patch.ts';
import type { Values } from '../../support/placeholders.ts';
import { plainNumber } from '../../support/plain-number.ts';
import type { Fuzzed } from './fuzzed-request.ts';

type Code = ProblemCode | 'success';

/**
 * The statuses that a request may get, by the document and the few rules that it states only in words.
 * @param values of the names in braces
 */
export function codesFor(document: Document, request: Fuzzed, values: Values): readonly Code[] {
  const refusal = refusalBeforeParts(document, request, values);
  if (refusal) return [refusal];
  const { isGood, isOpen } = verdictOn(document, request);
  return [
    ...(isGood && !isOpen ? [] : ['VALIDATION_FAILED' as const]),
    ...(isGood ? codesWithData(request, values) : []),
  ];
}

const operationOf = (document: Document, { method, path }: Fuzzed) => {
  const operation = document.paths[path]?.[method];
  if (!operation) throw new Error(`the document has no ${method} ${path}`);
  return operation;
};

/** By path, key, company, and whether the body can be read. */
function refusalBeforeParts(document: Document, request: Fuzzed, values: Values): ProblemCode | undefined {
  const { method, params, query, sender, headers, body } = request;
  const encoded = encodeURIComponent([...Object.values(params), ...query.flat()].join('').toWellFormed());
  if (encoded.length + Object.values(headers).join('').length > 16_000) return 'HEADERS_TOO_LARGE';
  if (Object.values(params).some((param) => !param.isWellFormed())) return 'MALFORMED_REQUEST';
  if (Object.values(params).includes('')) return 'ROUTE_NOT_FOUND';
  const { security, requestBody } = operationOf(document, request);
  if (security.length === 0) return undefined;
  if (sender === 'nobody') return 'INVALID_API_KEY';
  if (sender === 'suspended') return 'API_KEY_SUSPENDED';
  if (sender === 'reader' && method !== 'get') return 'INSUFFICIENT_PERMISSIONS';
  const refusal = sender === 'ats' && !forAnyCompany(request.path) ? companyRefusal(query, values) : undefined;
  if (refusal || !requestBody) return refusal;
  const type = headers['Content-Type']?.toLowerCase().replace(/;.*/, '').trim();
  if (type === undefined ? body !== '' : !(type in requestBody.content)) return 'UNSUPPORTED_MEDIA_TYPE';
  if (Buffer.byteLength(body ?? '') > 262_144) return 'PAYLOAD_TOO_LARGE';
  if (headers['Content-Encoding'] !== undefined) return 'UNSUPPORTED_MEDIA_TYPE';
  return parsed(body) === undefined ? 'MALFORMED_BODY' : undefined;
}

const forAnyCompany = (path: string) => ['/companies', '/api-key'].includes(path);

function companyRefusal(query: Fuzzed['query'], { COMPANY }: Values): ProblemCode | undefined {
  const given = query.filter(([name]) => name === 'companyId').map(([, value]) => value);
  if (given.length === 0 || (given.length === 1 && given[0] === '')) return 'COMPANY_ID_REQUIRED';
  if (given.length > 1 || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(given[0] ?? ''))
    return 'VALIDATION_FAILED';
  return given[0]?.toLowerCase() === COMPANY ? undefined : 'COMPANY_ACCESS_DENIED';
}

/** The JSON of a body; undefined if it is none. */
function parsed(text = ''): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether each part matches the document; undecided if the query is not UTF-8, for which there is no rule. */
function verdictOn(document: Document, request: Fuzzed): { isGood: boolean; isOpen: boolean } {
  const { method, path, params, query, headers, body } = request;
  const { parameters, requestBody, security } = operationOf(document, request);
  const accepts = (place: string, name: string, text: string) => {
    const at = parameters.findIndex((parameter) => parameter.in === place && parameter.name === name);
    const type = parameters[at]?.schema.type;
    // Not in the schema: an invalid request id is replaced.
    if (name === 'X-Request-Id') return true;
    return (
      at >= 0 && faultsOf(document, ['paths', path, method, 'parameters', at, 'schema'], read(text, type)).length === 0
    );
  };
  const queryIsGood = query.every(
    ([name, text]) =>
      // Health checks accept any parameters.
      security.length === 0 ||
      // A company key needs no companyId.
      (name === 'companyId' && (request.sender !== 'ats' || forAnyCompany(path))) ||
      (accepts('query', name, text) &&
        !text.includes('\u0000') &&
        query.filter(([other]) => other === name).length === 1),
  );
  const value = requestBody && parsed(body);
  const schema = ['paths', path, method, 'requestBody', 'content', 'application/json', 'schema'];
  const isGood =
    queryIsGood &&
    Object.entries(params).every(([name, text]) => accepts('path', name, text)) &&
    Object.entries(headers).every(([name, text]) => /^Content-/.test(name) || accepts('header', name, text.trim())) &&
    withinRulesInWords(request) &&
    (value === undefined || (faultsOf(document, schema, value).length === 0 && isStorable(value)));
  return { isGood, isOpen: isGood && query.flat().some((text) => !text.isWellFormed()) };
}

/** A parameter is text; a number or boolean is read only from its usual form. */
function read(text: string, type: unknown): unknown {
  if (type === 'integer' && /^-?\d{1,15}$/.test(text)) return Number(text);
  return type === 'boolean' && /^(true|false)$/.test(text) ? text === 'true' : text;
}

function withinRulesInWords({ query, headers }: Fuzzed): boolean {
  const { page = '1', limit = '20', dryRun } = Object.fromEntries(query);
  return Number(page) * Number(limit) <= 100_000 && !(dryRun === 'true' && 'Idempotency-Key' in headers);
}

/** Values that PostgreSQL and JavaScript store faithfully, without names that reach a prototype. */
function isStorable(value: Json): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\u0000');
  if (typeof value === 'number')
    return (
      Number.isFinite(value) &&
      (Number.isSafeInteger(value) || !Number.isInteger(value)) &&
      plainNumber(value).length <= 40
    );
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isStorable);
  return Object.entries(value).every(
    ([key, inner]) =>
      isStorable(key) &&
      key !== '__proto__' &&
      !(key === 'constructor' && typeof inner === 'object' && inner !== null && Object.hasOwn(inner, 'prototype')) &&
      isStorable(inner),
  );
}

/** The statuses of a valid request, which depend on what is stored. */
function codesWithData({ method, path, params, query, headers, body }: Fuzzed, values: Values): readonly Code[] {
  if (path === '/problems/{code}') return ['success', 'RESOURCE_NOT_FOUND'];
  const { id } = params;
  const takesKey = 'Idempotency-Key' in headers && method !== 'get';
  const repeated: Code[] = takesKey ? ['IDEMPOTENCY_KEY_REUSED', 'success'] : [];
  if (id !== undefined && id.toLowerCase() === values['OTHERS']) return [...repeated, 'RESOURCE_ACCESS_DENIED'];
  if (id !== undefined && id.toLowerCase() !== values['AGENT']) return [...repeated, 'RESOURCE_NOT_FOUND'];
  const hasVersion = 'version' in params || query.some(([name]) => name === 'to');
  const hasTag = ('If-Match' in headers || 'If-None-Match' in headers) && method !== 'get';
  const further: Code[] = [
    ...(hasVersion ? ['RESOURCE_NOT_FOUND' as const] : []),
    ...(hasTag ? ['PRECONDITION_FAILED' as const] : []),
    // The values of an old version may be refused today.
    ...(path.endsWith('/restore') ? ['VALIDATION_FAILED' as const] : []),
  ];
  return [...repeated, ...further, ...codesOfBody(parsed(body), method, values)];
}

/** A phone number must be an active one of the company, and merged metadata must stay within its limits. */
function codesOfBody(body: Json | undefined, method: string, { NUMBER }: Values): readonly Code[] {
  const { companyPhoneNumberId: number, metadata = {} } = Object(body);
  const isOver = overLimits(metadata);
  if ((typeof number === 'string' && number.toLowerCase() !== NUMBER) || isOver) return ['VALIDATION_FAILED'];
  // A phone number cannot be removed from an agent of type PHONE, and metadata near its limits cannot grow much.
  const depends = method === 'patch' && (number === null || Object.keys(metadata).length > 0);
  return depends ? ['VALIDATION_FAILED', 'success'] : ['success'];
}

function overLimits(metadata: Json): boolean {
  const merged = JSON.stringify(mergePatch({}, metadata));
  const depthOf = (value: Json): number =>
    typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  const keysIn = (value: Json): number =>
    typeof value !== 'object' || value === null
      ? 0
      : Object.values(value).reduce<number>(
          (sum, inner) => sum + keysIn(inner),
          Array.isArray(value) ? 0 : Object.keys(value).length,
        );
  return depthOf(metadata) > 5 || keysIn(JSON.parse(merged)) > 50 || Buffer.byteLength(merged) > 10_240;
}

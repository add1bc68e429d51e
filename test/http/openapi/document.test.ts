import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { expect, test } from 'vitest';
import { patches } from '../../../src/agents/examples.ts';
import { agentFields } from '../../../src/agents/fields.ts';
import { agentPatchSchema, agentSchema } from '../../../src/agents/schema.ts';
import { codesOf, documented, faultsOf, readDocument } from '../../support/document.ts';
import { draft, explanations, health, withKey } from '../../support/endpoints.ts';
import { openWorld } from '../../support/world.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const world = await openWorld({ docs: false });
const served = await world.send({ method: 'GET', path: '/openapi.json' });
const document = readDocument(served.text);
const patch = document.paths['/agents/{id}']?.['patch'];
if (!patch) throw new Error('the document lacks PATCH /agents/{id}');

test('GET /openapi.json needs no API key', () => {
  expect(served.status).toBe(200);
  expect(served.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(served.headers['x-request-id']).toMatch(/./);
});

test('openapi.json in the repository is what the server answers; `npm run openapi` writes it', () => {
  expect(JSON.stringify(JSON.parse(readFileSync(join(root, 'openapi.json'), 'utf8')))).toBe(served.text);
});

test('the document and its examples are valid OpenAPI 3.1', async () => {
  const config = await createConfig({ extends: ['recommended'] });
  expect(document).toHaveProperty('openapi', '3.1.0');
  expect(await lintFromString({ source: served.text, absoluteRef: 'openapi.json', config })).toEqual([]);
});

test('the document has every route except its own and the reference page', () => {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const endpoints = [...withKey, ...health, ...explanations].map(({ line }) => documented(line).join(' '));
  expect(operations.toSorted()).toEqual(endpoints.toSorted());
});

const withoutKey = [...health, ...explanations].map(({ line }) => ({ line, scope: 'no key' }));

test.for([...withKey, ...withoutKey])('the document states that $line needs $scope', ({ line, scope }) => {
  const [method, path] = documented(line);
  const { security, 'x-scope': named = security?.length ? 'any' : 'no key' } =
    document.paths[path]?.[method.toLowerCase()] ?? {};
  expect(security).toEqual(scope === 'no key' ? [] : [{ apiKey: [] }]);
  expect(named).toBe(scope);
});

test('openapi.json has at most 200 KB', () => {
  expect(readFileSync(join(root, 'openapi.json')).length).toBeLessThanOrEqual(200_000);
});

test('PATCH lists each code that it can answer, under its status', () => {
  expect(codesOf(patch)).toEqual({
    400: ['COMPANY_ID_REQUIRED', 'MALFORMED_BODY', 'MALFORMED_REQUEST', 'VALIDATION_FAILED'],
    401: ['API_KEY_SUSPENDED', 'INVALID_API_KEY'],
    403: ['COMPANY_ACCESS_DENIED', 'INSUFFICIENT_PERMISSIONS', 'IP_NOT_ALLOWED', 'RESOURCE_ACCESS_DENIED'],
    404: ['RESOURCE_NOT_FOUND'],
    408: ['REQUEST_TIMEOUT'],
    409: ['IDEMPOTENCY_KEY_IN_USE'],
    412: ['PRECONDITION_FAILED'],
    413: ['PAYLOAD_TOO_LARGE'],
    415: ['UNSUPPORTED_MEDIA_TYPE'],
    422: ['IDEMPOTENCY_KEY_REUSED'],
    429: ['RATE_LIMITED'],
    431: ['HEADERS_TOO_LARGE'],
    500: ['INTERNAL_ERROR'],
    503: ['DATABASE_UNAVAILABLE', 'OVERLOADED'],
  });
});

test('every code that a source throws is listed by a route or is about requests without one', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /^(?!generated).*\.ts$/.test(name),
  );
  const thrown = sources.flatMap((name) =>
    [...readFileSync(join(root, 'src', name), 'utf8').matchAll(/new ApiError\('([A-Z_]+)'/g)].map(([, code]) => code),
  );
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  const listed = operations.flatMap((operation) => Object.values(codesOf(operation)).flat());
  const ofNoRoute = ['ROUTE_NOT_FOUND', 'METHOD_NOT_ALLOWED'];
  expect([...new Set(thrown)].toSorted()).toEqual([...new Set([...listed, ...ofNoRoute])].toSorted());
});

test('fields, enumerations and limits are those of the schemas, without keywords that only the server knows', () => {
  const { Agent, AgentPatch, AgentDraft } = document.components.schemas;
  const plain = (schemas: object) =>
    JSON.parse(JSON.stringify(schemas, (keyword, value) => (keyword === 'storable' ? undefined : value)));
  expect(Object.keys(AgentPatch?.properties ?? {})).toEqual(agentFields);
  expect(AgentPatch?.properties).toEqual(plain(agentPatchSchema.properties));
  expect(AgentDraft?.properties).toEqual(AgentPatch?.properties);
  expect(AgentDraft?.required).toEqual(Object.keys(draft));
  expect(AgentPatch?.required).toBeUndefined();
  expect(Agent?.properties).toEqual(plain(agentSchema.properties));
  expect(served.text).not.toMatch(/storable|entity-tags|"deepest"|"format":"version"/);
});

test.each([
  [{ type: 'PHONE', companyPhoneNumberId: '123e4567-e89b-12d3-a456-426614174000' }, 0],
  [{ type: 'PHONE' }, 2],
  [{ instructions: null, voiceId: null, cefrLevel: null, companyPhoneNumberId: null, backgroundSound: null }, 0],
  [{ name: null }, 1],
  [{ duration: 181 }, 1],
  [{ nmae: 'x' }, 1],
])('by the schema in the document, the body %j has %i faults', (body, faults) => {
  expect(faultsOf(document, ['components', 'schemas', 'AgentPatch'], body)).toHaveLength(faults);
});

test('PATCH documents both media types and the parameters id, company, preconditions, idempotency key and request id', () => {
  const schema = { $ref: '#/components/schemas/AgentPatch' };
  expect(patch.requestBody?.content).toEqual({
    'application/json': { schema, examples: patches },
    'application/merge-patch+json': { schema, examples: patches },
  });
  const names = ['companyId', 'dryRun', 'id', 'If-Match', 'If-None-Match', 'Idempotency-Key', 'X-Request-Id'];
  expect(patch.parameters.map(({ name }) => name)).toEqual(names);
  for (const { description } of patch.parameters) expect(description).toMatch(/./);
  expect(patch.parameters[0]?.schema).toEqual({ type: 'string', format: 'uuid' });
});

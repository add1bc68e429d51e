import { test } from 'vitest';
import type { Fault } from '../../src/http/faults.ts';
import type { ProblemCode } from '../../src/http/problems.ts';
import { authorizationOf } from '../support/checked-keys.ts';
import { draft, type Endpoint, forAnyCompany, forCompany, onAgent, pathOf } from '../support/endpoints.ts';
import { expectFailedCheck } from '../support/order-of-checks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const dryRuns: readonly Endpoint[] = [
  { line: 'PATCH /agents/:id?dryRun=true', scope: 'write:agents', status: 200 },
  { line: 'POST /agents/:id/versions/1/restore?dryRun=true', scope: 'write:agents', status: 200 },
];

const any = /^/;
const underAgents = /\/agents/;
const ofOneCompany = /^(?!GET \/(?:companies|api-key))/;
const withScope = /^(?!GET \/api-key)/;
const withBody = /^(?:PATCH|POST) \/agents(?:\/:id)?(?:\?|$)/;
const onOneAgent = /:id/;
const conditional = /^PATCH|^DELETE|restore/;
const withNumber = /^PATCH|^POST/;

/** The checks in the order of the contract, the code of each, and the requests that can fail it. */
const checks = [
  ['the path can be decoded', 'MALFORMED_REQUEST', underAgents],
  ['the route', 'ROUTE_NOT_FOUND', any],
  ['the method', 'METHOD_NOT_ALLOWED', any],
  ['the key', 'INVALID_API_KEY', any],
  ['the key is not suspended', 'API_KEY_SUSPENDED', any],
  ['the address', 'IP_NOT_ALLOWED', any],
  ['the rate limit', 'RATE_LIMITED', any],
  ['the scope', 'INSUFFICIENT_PERMISSIONS', withScope],
  ['the company', 'COMPANY_ID_REQUIRED', ofOneCompany],
  ['the grant', 'COMPANY_ACCESS_DENIED', ofOneCompany],
  ['the media type', 'UNSUPPORTED_MEDIA_TYPE', withBody],
  ['the size', 'PAYLOAD_TOO_LARGE', withBody],
  ['the encoding', 'UNSUPPORTED_MEDIA_TYPE', withBody],
  ['the JSON', 'MALFORMED_BODY', withBody],
  ['the schema', 'VALIDATION_FAILED', any],
  ['the agent', 'RESOURCE_NOT_FOUND', onOneAgent],
  ['the owner', 'RESOURCE_ACCESS_DENIED', onOneAgent],
  ['the precondition', 'PRECONDITION_FAILED', conditional],
  ['the stored data', 'VALIDATION_FAILED', withNumber],
] as const satisfies readonly (readonly [string, ProblemCode, RegExp])[];
type Check = (typeof checks)[number][0];

const position = (check: Check) => checks.findIndex(([name]) => name === check);
const unknownId = '00000000-0000-4000-8000-00000000dead';

/**
 * Two companies, an integration of the first, and agents. Version 1 of the own agent has a phone number that is
 * inactive. All cases use them, because each is refused and changes nothing.
 */
async function openScene() {
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const ats = await world.ats(company.id);
  const companyPhoneNumberId = await world.phoneNumber(company.id);
  const own = await world.agent(company.id, { companyPhoneNumberId });
  await world.patch(company.key, own.id, { companyPhoneNumberId: null });
  await world.companies.deactivatePhoneNumber(companyPhoneNumberId);
  const [foreign, deleted] = [await world.agent(other.id), await world.agent(other.id)];
  await world.deleteAgent(deleted.id);
  return { company, other, ats, ids: { own: own.id, foreign: foreign.id, deleted: deleted.id } };
}

const { company, other, ats, ids } = await openScene();

/** A request that passes the checks before `first`, and fails it and every later check that it can fail. */
async function failingFrom({ line, scope }: Endpoint, first: Check) {
  const passes = (check: Check) => position(check) < position(first);
  function agentId() {
    if (!passes('the schema')) return 'not-a-uuid';
    if (!passes('the agent')) return ids.deleted;
    return passes('the owner') ? ids.own : ids.foreign;
  }
  function pathNamed(path: string) {
    if (!passes('the path can be decoded')) return '/agents/%E0%A4%A';
    return passes('the route') ? path : `/nowhere${path}`;
  }
  function query() {
    const dryRun = line.includes('?') ? '&dryRun=true' : '';
    if (!passes('the company')) return `?unknown=1${dryRun}`;
    if (!passes('the grant')) return `?companyId=${other.id}&unknown=1${dryRun}`;
    return `?companyId=${company.id}${dryRun}${passes('the schema') ? '' : '&unknown=1'}`;
  }
  function body() {
    if (!passes('the size')) return '{'.repeat(300_000);
    if (!passes('the JSON')) return '{';
    const wrong = passes('the schema') ? {} : { duration: 999 };
    return JSON.stringify({ ...draft, companyPhoneNumberId: unknownId, ...wrong });
  }
  const headers = {
    ...(await authorizationOf(world, ats.id, scope, passes)),
    'content-type': passes('the media type') ? 'application/json' : 'text/plain',
    ...(!passes('the encoding') && { 'content-encoding': 'gzip' }),
    'if-match': passes('the precondition') ? '"2"' : '"99"',
  };
  const method = passes('the method') ? line.replace(/ .*/, '') : 'PUT';
  const path = pathNamed(pathOf(line).replace(':id', agentId()));
  return { sent: { method, path: path + query(), headers, body: body() }, path };
}

/** The query parameters that an endpoint accepts. */
function membersOf(line: string): string {
  if (/^PATCH|restore/.test(line)) return 'companyId, dryRun';
  if (line === 'GET /agents') return 'companyId, name, type, focus, language, page, limit';
  if (/versions$|numbers$|companies$/.test(line)) return 'companyId, page, limit';
  return line.endsWith('/diff') ? 'companyId, to' : 'companyId';
}

const uuid = 'must be a UUID: hexadecimal digits as 8-4-4-4-12';
const ofActive =
  'must be the id of an active phone number of the company: GET /phone-numbers lists them; ' +
  'a patch without it and type PHONE keeps the stored number';
const ofVersion =
  'must be an active phone number of the company, which that of this version no longer is: ' +
  'send the fields that you want of this version by PATCH instead';

function faultsOf(check: Check, line: string): Fault[] | undefined {
  if (check === 'the stored data') {
    const detail = line.includes('/restore') ? ofVersion : ofActive;
    return [{ in: 'body', pointer: '#/companyPhoneNumberId', code: 'not_found', detail }];
  }
  if (check !== 'the schema') return undefined;
  const detail = `is not known; what can be set is ${membersOf(line)}`;
  const inPath: Fault = { in: 'path', parameter: 'id', code: 'bad_format', detail: uuid };
  const inQuery: Fault = { in: 'query', parameter: 'unknown', code: 'unknown_member', detail };
  const large = { code: 'too_large', detail: 'must be at most 180', limit: 180 } as const;
  const inBody: Fault = { in: 'body', pointer: '#/duration', ...large };
  return [...(onOneAgent.test(line) ? [inPath] : []), inQuery, ...(withBody.test(line) ? [inBody] : [])];
}

/** All rows of agents, history included. */
const rows = 'SELECT to_jsonb(a)::text AS row FROM agent a UNION ALL SELECT to_jsonb(v)::text FROM agent_version v';

const cases = [...onAgent, ...dryRuns, ...forCompany, ...forAnyCompany].flatMap((endpoint) =>
  checks
    .filter(([, , able]) => able.test(endpoint.line))
    .map(([check, code]) => ({ endpoint, line: endpoint.line, check, code })),
);

test.for(cases)(
  '$line follows the order of checks: a request that fails $check and all later checks is answered $code',
  async ({ endpoint, line, check, code }) => {
    const request = await failingFrom(endpoint, check);
    await expectFailedCheck(world, endpoint, request, { check, code, errors: faultsOf(check, line) }, rows);
  },
);

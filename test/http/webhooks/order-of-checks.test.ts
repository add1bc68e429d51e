import { test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import type { ProblemCode } from '../../../src/http/problems.ts';
import { authorizationOf } from '../../support/checked-keys.ts';
import { type Endpoint, forOwner, onWebhook, pathOf } from '../../support/endpoints.ts';
import { expectFailedCheck } from '../../support/order-of-checks.ts';
import { newWebhook, target } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const any = /^/;
const withBody = /^(?:PATCH|POST) \/webhooks(?:\/:id)?$/;
const onOne = /:id/;
const withRules = /^(?:PATCH|POST) \/webhooks(?:\/:id)?$|ping$|redeliver$/;

/** The checks in the order of the contract, the code of each, and the requests that can fail it. */
const checks = [
  ['the path can be decoded', 'MALFORMED_REQUEST', any],
  ['the route', 'ROUTE_NOT_FOUND', any],
  ['the method', 'METHOD_NOT_ALLOWED', any],
  ['the key', 'INVALID_API_KEY', any],
  ['the key is not suspended', 'API_KEY_SUSPENDED', any],
  ['the address', 'IP_NOT_ALLOWED', any],
  ['the rate limit', 'RATE_LIMITED', any],
  ['the scope', 'INSUFFICIENT_PERMISSIONS', any],
  ['the company', 'COMPANY_ID_REQUIRED', any],
  ['the grant', 'COMPANY_ACCESS_DENIED', any],
  ['the media type', 'UNSUPPORTED_MEDIA_TYPE', withBody],
  ['the size', 'PAYLOAD_TOO_LARGE', withBody],
  ['the encoding', 'UNSUPPORTED_MEDIA_TYPE', withBody],
  ['the JSON', 'MALFORMED_BODY', withBody],
  ['the schema', 'VALIDATION_FAILED', any],
  ['the target', 'VALIDATION_FAILED', withBody],
  ['the endpoint', 'RESOURCE_NOT_FOUND', onOne],
  ['the owner', 'RESOURCE_ACCESS_DENIED', onOne],
  ['the stored data', 'VALIDATION_FAILED', withRules],
] as const satisfies readonly (readonly [string, ProblemCode, RegExp])[];
type Check = (typeof checks)[number][0];

const position = (check: Check) => checks.findIndex(([name]) => name === check);
const headersUpTo = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`X-${at}`, 'v']));

/** A company's tenth endpoint, which is disabled and has ten headers, and its only delivery. */
async function newEndpoint({ key }: { readonly key: string }) {
  for (let count = 0; count < 9; count += 1) await newWebhook(world, key);
  const { id } = await newWebhook(world, key, { headers: headersUpTo(10) });
  const { body } = await world.call(key, `POST /webhooks/${id}/ping`);
  await world.call(key, `PATCH /webhooks/${id}`, { body: { status: 'DISABLED' } });
  return { id, delivery: String(Object(body).id) };
}

/** Two companies, and an integration of the first. All cases use them, because each is refused and changes nothing. */
async function openScene() {
  const [company, other] = [await world.company(), await world.company()];
  const [own, foreign] = [await newEndpoint(company), await newEndpoint(other)];
  return { company, other, ats: await world.ats(company.id), own, foreign };
}

const { company, other, ats, own, foreign } = await openScene();

/** A request that passes the checks before `first`, and fails it and every later check that it can fail. */
async function failingFrom({ line, scope }: Endpoint, first: Check) {
  const passes = (check: Check) => position(check) < position(first);
  const endpoint = passes('the owner') ? own : foreign;
  function endpointId() {
    if (!passes('the schema')) return 'not-a-uuid';
    return passes('the endpoint') ? endpoint.id : '00000000-0000-4000-8000-00000000dead';
  }
  function pathNamed(path: string) {
    if (!passes('the path can be decoded')) return '/webhooks/%E0%A4%A';
    return passes('the route') ? path : `/nowhere${path}`;
  }
  function query() {
    if (!passes('the company')) return '?companyId=&unknown=1';
    if (!passes('the grant')) return `?companyId=${other.id}&unknown=1`;
    return `?companyId=${company.id}${passes('the schema') ? '' : '&unknown=1'}`;
  }
  function body() {
    if (!passes('the size')) return '{'.repeat(300_000);
    if (!passes('the JSON')) return '{';
    const url = passes('the target') ? target.url : 'https://10.1.2.3/';
    return JSON.stringify({ url, events: passes('the schema') ? ['*'] : [], headers: { 'X-10': 'v' } });
  }
  const headers = {
    ...(await authorizationOf(world, ats.id, scope, passes)),
    'content-type': passes('the media type') ? 'application/json' : 'text/plain',
    ...(!passes('the encoding') && { 'content-encoding': 'gzip' }),
  };
  const method = passes('the method') ? line.replace(/ .*/, '') : 'PUT';
  const path = pathNamed(pathOf(line).replace(':id', endpointId()).replace(':deliveryId', endpoint.delivery));
  return { sent: { method, path: path + query(), headers, body: body() }, path };
}

/** The query parameters that an endpoint accepts. */
function membersOf(line: string): string {
  if (line === 'GET /webhooks') return 'companyId, page, limit';
  return line.startsWith('GET') && line.endsWith('deliveries')
    ? 'companyId, status, agentId, page, limit'
    : 'companyId';
}

function faultsOf(check: Check, line: string): Fault[] | undefined {
  if (check === 'the target') {
    const detail = 'must be a URL to which webhooks may be sent, but the address is not public';
    return [{ in: 'body', pointer: '#/url', code: 'not_allowed', detail }];
  }
  if (check === 'the stored data') return [ruleOf(line)];
  if (check !== 'the schema') return undefined;
  const uuid = 'must be a UUID: hexadecimal digits as 8-4-4-4-12';
  const inPath: Fault = { in: 'path', parameter: 'id', code: 'bad_format', detail: uuid };
  const detail = `is not known; what can be set is ${membersOf(line)}`;
  const inQuery: Fault = { in: 'query', parameter: 'unknown', code: 'unknown_member', detail };
  const short = { code: 'too_short', detail: 'must have at least 1 item', limit: 1 } as const;
  const inBody: Fault = { in: 'body', pointer: '#/events', ...short };
  return [...(onOne.test(line) ? [inPath] : []), inQuery, ...(withBody.test(line) ? [inBody] : [])];
}

/** The rule that needs stored data. */
function ruleOf(line: string): Fault {
  if (line.startsWith('PATCH')) {
    const detail = 'must have at most 10 items';
    return { in: 'body', pointer: '#/headers', code: 'too_many', detail, limit: 10 };
  }
  if (onOne.test(line)) {
    const detail = 'must be the id of a webhook that is ENABLED; enable it first';
    return { in: 'path', parameter: 'id', code: 'not_allowed', detail };
  }
  const detail = 'must not be another webhook: the owner has 10, which is the limit';
  return { in: 'body', pointer: '#', code: 'too_many', detail, limit: 10 };
}

/** The detail, for a check that only webhooks have. */
function detailOf(check: Check): string | undefined {
  if (check === 'the endpoint') return problemTexts.webhookMissing;
  return check === 'the owner' ? problemTexts.webhookForeign : undefined;
}

/** All rows of endpoints and deliveries. */
const rows =
  'SELECT to_jsonb(e)::text AS row FROM webhook_endpoint e UNION ALL SELECT to_jsonb(d)::text FROM webhook_delivery d';

const cases = [...forOwner, ...onWebhook].flatMap((endpoint) =>
  checks
    .filter(([, , able]) => able.test(endpoint.line))
    .map(([check, code]) => ({ endpoint, line: endpoint.line, check, code })),
);

test.for(cases)(
  '$line follows the order of checks: a request that fails $check and all later checks is answered $code',
  async ({ endpoint, line, check, code }) => {
    const request = await failingFrom(endpoint, check);
    const [detail, errors] = [detailOf(check), faultsOf(check, line)];
    await expectFailedCheck(world, endpoint, request, { check, code, errors, detail }, rows);
  },
);

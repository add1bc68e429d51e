import { expect, test } from 'vitest';
import type { ProblemCode } from '../../../src/errors.ts';
import { expectProblem } from '../../support/problem.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** The checks in the contract's order, as far as one request can fail them, with what a failure is answered by. */
const checks = [
  ['the path can be decoded', 'MALFORMED_REQUEST'],
  ['the route', 'ROUTE_NOT_FOUND'],
  ['the method', 'METHOD_NOT_ALLOWED'],
  ['the key', 'INVALID_API_KEY'],
  ['the key is not suspended', 'API_KEY_SUSPENDED'],
  ['the address', 'IP_NOT_ALLOWED'],
  ['the rate limit', 'RATE_LIMITED'],
  ['the scope', 'INSUFFICIENT_PERMISSIONS'],
  ['the company', 'COMPANY_ID_REQUIRED'],
  ['the grant', 'COMPANY_ACCESS_DENIED'],
  ['the media type', 'UNSUPPORTED_MEDIA_TYPE'],
  ['the size', 'PAYLOAD_TOO_LARGE'],
  ['the encoding', 'UNSUPPORTED_MEDIA_TYPE'],
  ['the JSON', 'MALFORMED_BODY'],
  ['the schema', 'VALIDATION_FAILED'],
  ['the agent', 'RESOURCE_NOT_FOUND'],
  ['the owner', 'RESOURCE_ACCESS_DENIED'],
  ['the precondition', 'PRECONDITION_FAILED'],
  ['the stored data', 'VALIDATION_FAILED'],
] as const satisfies readonly (readonly [string, ProblemCode])[];
type Check = (typeof checks)[number][0];

const unknownId = '00000000-0000-4000-8000-00000000dead';

/** A request that passes the checks before `first` and fails it and, as far as that can be, all after it. */
async function failingFrom(first: Check) {
  const passes = (check: Check) => position(check) < position(first);
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const ats = await world.ats(company.id);
  const keyOf = async (state: 'good' | 'suspended' | 'from elsewhere' | 'used up' | 'scopeless') => {
    const owner = { companyId: null, integrationId: ats.id, name: null, expiresAt: null, perMinute: 1 };
    const { id, key } = await world.keys.create({
      ...owner,
      scopes: state === 'good' ? ['write:agents'] : [],
      allowedIps: [],
    });
    if (state !== 'good' && state !== 'scopeless') await world.call(key, 'GET /companies');
    if (state === 'suspended' || state === 'from elsewhere') {
      await world.sql.query(`UPDATE api_key SET allowed_ips = '{192.0.2.1}' WHERE id = $1`, [id]);
    }
    if (state === 'suspended') await world.keys.suspend(id);
    return key;
  };
  const [own, foreign, deleted] = await Promise.all([
    world.agent(company.id),
    world.agent(other.id),
    world.agent(other.id),
  ]);
  await world.deleteAgent(deleted.id);

  function path() {
    if (!passes('the path can be decoded')) return '/agents/%E0%A4%A';
    if (!passes('the route')) return '/agent/not-a-uuid';
    if (!passes('the schema')) return '/agents/not-a-uuid';
    if (!passes('the agent')) return `/agents/${deleted.id}`;
    return `/agents/${passes('the owner') ? own.id : foreign.id}`;
  }
  function query() {
    if (!passes('the company')) return '?unknown=1';
    if (!passes('the grant')) return `?companyId=${other.id}&unknown=1`;
    return `?companyId=${company.id}${passes('the schema') ? '' : '&unknown=1'}`;
  }
  async function authorization() {
    if (!passes('the key')) return {};
    if (!passes('the key is not suspended')) return { authorization: `Bearer ${await keyOf('suspended')}` };
    if (!passes('the address')) return { authorization: `Bearer ${await keyOf('from elsewhere')}` };
    if (!passes('the rate limit')) return { authorization: `Bearer ${await keyOf('used up')}` };
    return { authorization: `Bearer ${await keyOf(passes('the scope') ? 'good' : 'scopeless')}` };
  }
  function body() {
    if (!passes('the size')) return '{'.repeat(300_000);
    if (!passes('the JSON')) return '{';
    const wrong = passes('the schema') ? {} : { duration: 999 };
    return JSON.stringify({ name: 'Must not stick', companyPhoneNumberId: unknownId, ...wrong });
  }
  const headers = {
    ...(await authorization()),
    'content-type': passes('the media type') ? 'application/json' : 'text/plain',
    ...(!passes('the encoding') && { 'content-encoding': 'gzip' }),
    'if-match': passes('the precondition') ? '"1"' : '"99"',
  };
  const method = passes('the method') ? 'PATCH' : 'PUT';
  const sent = { method, path: path() + query(), headers, body: body() };
  return { sent, instance: path(), agents: [own.id, foreign.id, deleted.id] };
}

const position = (check: Check) => checks.findIndex(([name]) => name === check);

/** What differs from the code's usual text, where one code stands for several checks. */
const particulars: Partial<Record<Check, { readonly detail: string }>> = {
  'the path can be decoded': { detail: 'The path is not valid percent-encoded UTF-8.' },
  'the scope': { detail: 'This API key lacks the scope write:agents.' },
  'the encoding': { detail: 'Send the body without a Content-Encoding.' },
  'the JSON': { detail: 'The body is not valid JSON.' },
};

const uuid = 'must be a UUID: hexadecimal digits as 8-4-4-4-12';
const faults = {
  'the schema': {
    errors: [
      { in: 'path', parameter: 'id', code: 'bad_format', detail: uuid },
      {
        in: 'query',
        parameter: 'unknown',
        code: 'unknown_member',
        detail: 'is not known; what can be set is companyId, dryRun',
      },
      { in: 'body', pointer: '#/duration', code: 'too_large', detail: 'must be at most 180', limit: 180 },
    ],
  },
  'the stored data': {
    errors: [
      {
        in: 'body',
        pointer: '#/companyPhoneNumberId',
        code: 'not_found',
        detail: 'must be the id of an active phone number of the company',
      },
    ],
  },
} as const;

test.for(checks)('a request that fails %s and all after it is answered %s', async ([check, code]) => {
  const { sent, instance, agents } = await failingFrom(check);
  const stored = () => Promise.all(agents.map((id) => storedAgent(world, id)));
  const before = await stored();
  const answer = await world.send(sent);
  const said = check === 'the schema' || check === 'the stored data' ? faults[check] : particulars[check];
  expectProblem(answer, { code, instance, ...said });
  expect(await stored()).toEqual(before);
});

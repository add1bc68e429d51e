import { expect, test } from 'vitest';
import { documented, expectDocumented, readDocument } from '../../support/document.ts';
import { health } from '../../support/endpoints.ts';
import type { Sent } from '../../support/http.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ docs: false });
const document = readDocument((await world.send({ method: 'GET', path: '/openapi.json' })).text);

const { companyId, id, key } = await newSubject(world);
const number = await world.phoneNumber(companyId);
const other = await world.company();
const ats = await world.ats(companyId);
const reader = await world.keyWith(companyId, 'read:agents');
const elsewhere = await world.keyFrom(companyId, '192.0.2.1');
const json = { 'content-type': 'application/json' };
const path = `/agents/${id}`;
const authorized = (bearer: string, headers: Sent['headers'] = json) => ({
  ...headers,
  authorization: `Bearer ${bearer}`,
});

interface Case {
  readonly answers: string;
  readonly sent: Sent;
  /** Beside X-Request-Id. */
  readonly headers?: readonly string[];
}

const changed = ['etag', 'changed-fields'];
const challenged = ['www-authenticate'];
const cases: readonly Case[] = [
  { answers: '200', sent: { path, headers: authorized(key), body: '{"duration":50}' }, headers: changed },
  {
    answers: '200',
    sent: {
      path: `${path}?companyId=${companyId}`,
      headers: authorized(ats.key, { 'content-type': 'application/merge-patch+json' }),
      body: JSON.stringify({ type: 'PHONE', companyPhoneNumberId: number, metadata: { a: [1, null] } }),
    },
    headers: [...changed, 'agent-phone-number-id'],
  },
  { answers: '400 MALFORMED_BODY', sent: { path, headers: authorized(key), body: '{' } },
  { answers: '400 VALIDATION_FAILED', sent: { path, headers: authorized(key), body: '{"duration":0,"nmae":"x"}' } },
  { answers: '400 COMPANY_ID_REQUIRED', sent: { path, headers: authorized(ats.key), body: '{}' } },
  { answers: '401 INVALID_API_KEY', sent: { path, headers: json, body: '{}' }, headers: challenged },
  { answers: '403 INSUFFICIENT_PERMISSIONS', sent: { path, headers: authorized(reader) }, headers: challenged },
  { answers: '403 IP_NOT_ALLOWED', sent: { path, headers: authorized(elsewhere), body: '{}' } },
  { answers: '403 RESOURCE_ACCESS_DENIED', sent: { path, headers: authorized(other.key), body: '{}' } },
  {
    answers: '404 RESOURCE_NOT_FOUND',
    sent: { path: '/agents/123e4567-e89b-12d3-a456-426614174000', headers: authorized(key), body: '{}' },
  },
  {
    answers: '412 PRECONDITION_FAILED',
    sent: { path, headers: authorized(key, { ...json, 'if-match': '"0"' }), body: '{}' },
    headers: ['etag'],
  },
  { answers: '413 PAYLOAD_TOO_LARGE', sent: { path, headers: authorized(key), body: ' '.repeat(262_145) } },
  {
    answers: '415 UNSUPPORTED_MEDIA_TYPE',
    sent: { path, headers: authorized(key, { 'content-type': 'text/plain' }), body: '{}' },
    headers: ['accept-patch'],
  },
  {
    answers: '415 UNSUPPORTED_MEDIA_TYPE',
    sent: { path, headers: authorized(key, { ...json, 'content-encoding': 'gzip' }), body: '{}' },
    headers: ['accept-encoding'],
  },
];

test.for(cases)(
  'an answer is as the document describes it: $answers $headers',
  async ({ answers, sent, headers = [] }) => {
    const answer = await world.send(sent);
    const code = answer.status === 200 ? '' : ` ${JSON.parse(answer.text).code}`;
    expect(`${answer.status}${code}`).toBe(answers);
    expectDocumented(document, ['patch', '/agents/{id}'], answer, headers);
  },
);

test.for(health)('an answer to $line is as the document describes it', async ({ line }) => {
  const [method, path] = documented(line);
  expectDocumented(document, [method.toLowerCase(), path], await world.send({ method, path }), []);
});

// A day with the API: everything an integrator does with an agent, from the first look to its deletion. The client is
// typed by the server's own OpenAPI document: a path that is not in it, or a value of another type, does not compile.
//
//     API_URL=http://127.0.0.1:3000 API_KEY=sk_… npm run example
//
// Webhooks are part of it if the server may send them to this machine, with WEBHOOK_ALLOW_HTTP=true and
// WEBHOOK_ALLOW_NETWORKS=127.0.0.1.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { on, once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import createClient from 'openapi-fetch';
import { Webhook } from 'standardwebhooks';
import type { components, paths } from './generated/api.d.ts';

const { API_URL: baseUrl = 'http://127.0.0.1:3000', API_KEY: key } = process.env;
const api = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${key}` } });

/** What a success brought; anything else ends the day with what the server said of it. */
function got<Data>(answer: { data?: Data; error?: { detail: string } | string; response: Response }) {
  const { data, error, response } = answer;
  if (data === undefined) throw new Error(`${response.status} ${typeof error === 'string' ? error : error?.detail}`);
  return { data, headers: response.headers, tag: response.headers.get('etag') ?? '' };
}

// Which company can this key act for, and which numbers can its agents call from?
const [company] = got(await api.GET('/companies')).data.data;
assert(company, 'the key manages no company');
const query = { companyId: company.id };
const [number] = got(await api.GET('/phone-numbers', { params: { query } })).data.data;
assert(number, 'the company has no active phone number');
console.log(`acting for ${company.name}, calling from ${number.number}`);

// A new agent. With an Idempotency-Key it may be asked for again, whatever became of the first answer.
const creation = {
  params: { query },
  headers: { 'Idempotency-Key': randomUUID() },
  body: {
    name: `Nurses ${randomUUID()}`,
    type: 'PHONE',
    companyPhoneNumberId: number.id,
    focus: 'SCREENING',
    language: 'EN',
    duration: 30,
    metadata: { department: 'Care', tags: ['night'] },
  },
} as const;
const created = got(await api.POST('/agents', creation));
console.log(`created at version ${created.tag}`);
const again = got(await api.POST('/agents', creation));
assert.equal(again.headers.get('idempotent-replayed'), 'true');
assert.deepEqual([again.data, again.tag], [created.data, created.tag]);
console.log('created again: the same agent');

// It is read once; while its version is the same, asking again brings no body.
const path = { id: created.data.id };
const read = got(await api.GET('/agents/{id}', { params: { path, query } }));
assert.deepEqual(read.data, created.data);
const header = { 'If-None-Match': read.tag };
const unchanged = await api.GET('/agents/{id}', { params: { path, query, header } });
console.log(`read, then asked again: ${unchanged.response.status}`);

// It is found by part of its name, among the others of its kind.
const filters = { name: created.data.name.toUpperCase(), type: 'PHONE', language: 'EN', limit: 5 } as const;
const list = got(await api.GET('/agents', { params: { query: { ...query, ...filters } } }));
assert.deepEqual(list.data.data, [created.data]);
console.log(`listed: ${list.data.pagination.total}`);

// Events of changes, whoever makes them, come to an endpoint of one's own. A receiver in production stores the event before it
// answers, and the server sends to https addresses only.
const receiver = createServer().listen(0, '127.0.0.1');
await once(receiver, 'listening');
const requests = on(receiver, 'request');
const address = receiver.address();
assert(typeof address === 'object' && address);
const hook = { url: `http://127.0.0.1:${address.port}/hooks`, events: ['agent.updated' as const] };
const { data: webhook, error: refused } = await api.POST('/webhooks', { params: { query }, body: hook });
console.log(webhook ? `an endpoint for ${webhook.events}` : `no endpoint: ${refused.code}`);

/** The next event that the endpoint gets, once its signature is verified. */
async function nextEvent(secret: string) {
  const { value } = await requests.next();
  const [request, response] = value;
  const event = new Webhook(secret).verify(await text(request), request.headers);
  response.writeHead(204).end();
  return { id: request.headers['webhook-id'], event };
}

// A change is tried first, which writes nothing, then made, but only on the version that was seen.
const patch = { duration: 45, metadata: { department: 'Surgery' } };
const attempt = { path, query: { ...query, dryRun: true } };
const tried = got(await api.PATCH('/agents/{id}', { params: attempt, body: patch }));
assert.deepEqual(tried.data, { ...read.data, duration: 45, metadata: { department: 'Surgery', tags: ['night'] } });
console.log(`would change ${tried.headers.get('changed-fields')}, still version ${tried.tag}`);
const change = {
  params: { path, query, header: { 'If-Match': read.tag, 'X-Request-Id': `day-${randomUUID()}` } },
  headers: { 'Idempotency-Key': randomUUID() },
  body: patch,
};
const changed = got(await api.PATCH('/agents/{id}', change));
console.log(`changed ${changed.headers.get('changed-fields')}, now version ${changed.tag}`);
const repeated = got(await api.PATCH('/agents/{id}', change));
assert.equal(repeated.headers.get('idempotent-replayed'), 'true');
assert.deepEqual([repeated.data, repeated.tag], [changed.data, changed.tag]);
console.log(`changed again: still version ${repeated.tag}`);

// The change made an event, and the other requests made none. It can be sent again; a receiver drops it by its id.
const received = webhook && (await nextEvent(webhook.secret));
if (webhook) {
  const params = { path: { id: webhook.id }, query };
  const [delivery] = got(await api.GET('/webhooks/{id}/deliveries', { params })).data.data;
  assert(delivery && delivery.eventId === received?.id);
  const one = { path: { ...params.path, deliveryId: delivery.id }, query };
  got(await api.POST('/webhooks/{id}/deliveries/{deliveryId}/redeliver', { params: one }));
  assert.deepEqual(await nextEvent(webhook.secret), received);
  console.log(`received ${delivery.eventType} of version ${delivery.version}, and received it again`);
  const removed = await api.DELETE('/webhooks/{id}', { params });
  console.log(`endpoint deleted: ${removed.response.status}`);
}
receiver.close();
receiver.closeAllConnections();

// Whoever still has the old version in hand overwrites nothing.
const stale = { path, query, header: { 'If-Match': read.tag } };
const late = await api.PATCH('/agents/{id}', { params: stale, body: { name: 'Overwritten' } });
assert.equal(late.error?.code, 'PRECONDITION_FAILED');
console.log(`a change of the old version: ${late.response.status}`);

// What changed, by which key, in which request?
const [newest, first] = got(await api.GET('/agents/{id}/versions', { params: { path, query } })).data.data;
assert(newest && first && newest.keyId === first.keyId);
assert.equal(newest.requestId, change.params.header['X-Request-Id']);
console.log(`version ${newest.version} changed ${newest.changedFields.join(', ')}; the key and request are known`);
if (received) {
  const { version, changedFields, restoredFrom, requestId, keyId } = newest;
  const expected: components['schemas']['AgentUpdatedEvent'] = {
    type: 'agent.updated',
    timestamp: changed.data.updatedAt,
    data: { agentId: path.id, companyId: company.id, version, changedFields, restoredFrom, requestId, keyId },
  };
  assert.deepEqual(received.event, expected);
  console.log('the event says the same');
}
const since = { path: { ...path, version: String(first.version) }, query };
const { changes } = got(await api.GET('/agents/{id}/versions/{version}/diff', { params: since })).data;
for (const { field, pointer = '', before, after } of changes) console.log(`  ${field}${pointer}: ${before} → ${after}`);

// It was a mistake: the first version comes back, as a new one.
const restored = got(await api.POST('/agents/{id}/versions/{version}/restore', { params: since }));
assert.deepEqual(restored.data, { ...created.data, updatedAt: restored.data.updatedAt });
console.log(`taken back, now version ${restored.tag}`);

// The end of the day: deleted, and gone for everybody.
const condition = { 'If-Match': restored.tag };
const deleted = await api.DELETE('/agents/{id}', { params: { path, query, header: condition } });
const gone = await api.GET('/agents/{id}', { params: { path, query } });
assert.equal(gone.error?.code, 'RESOURCE_NOT_FOUND');
console.log(`deleted: ${deleted.response.status}, and then ${gone.response.status}`);

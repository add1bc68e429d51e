import { explained } from './endpoints.ts';
import type { Answer, Sent } from './http.ts';
import { newSubject, type Subject } from './patch-agent.ts';
import { ask } from './raw-socket.ts';
import { idsFor, named } from './webhooks.ts';
import type { World } from './world.ts';

/** A request to a route, with its body and a key. */
export interface Case {
  readonly agent: Subject;
  /** What `:id` in its path is replaced by: the id of the agent or of a webhook endpoint. */
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly headers: NonNullable<Sent['headers']>;
  readonly body?: object | undefined;
}

export const unknownId = '00000000-0000-4000-8000-00000000dead';

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

/** Requests to each route that fail with a given problem. */
export function problemCases(world: World) {
  const send = ({ method, path, headers, body }: Case, change: Partial<Sent> = {}) =>
    world.send({ method, path, headers, ...(body && { body: JSON.stringify(body) }), ...change });
  const sendAs = (one: Case, key: string) => send(one, { headers: { ...one.headers, ...bearer(key) } });
  const sendWith = (one: Case, headers: Sent['headers']) => send(one, { headers: { ...one.headers, ...headers } });

  /** Sends a request that is valid except for one fault, which depends on the kind of route. */
  function invalid(one: Case): Promise<Answer> {
    const wrong = one.path.startsWith('/webhooks') ? { events: [] } : { duration: 181 };
    if (one.body) return send(one, { body: JSON.stringify({ ...one.body, ...wrong }) });
    if (one.path.includes(one.id)) return send(one, { path: one.path.replace(one.id, '42') });
    return send(one, { path: `${one.path}?limit=101` });
  }

  /** A replayed request about what was deleted since, or a request for what never existed. */
  async function notFound(one: Case): Promise<Answer> {
    if (one.path.endsWith(explained)) return send(one, { path: one.path.replace(explained, 'unknown') });
    if (one.path.includes(one.id)) return send(one, { path: one.path.replace(one.id, unknownId) });
    const headers = { 'idempotency-key': 'erased' };
    const { id } = Object((await sendWith(one, headers)).body);
    if (one.path === '/webhooks') {
      await world.call(one.agent.key, `DELETE /webhooks/${id}`);
    } else {
      await world.deleteAgent(id);
      await world.purgeAgent(id);
    }
    return await sendWith(one, headers);
  }

  /** For each code, how to make a request fail with it. */
  const provoke: Readonly<Record<string, (one: Case) => Promise<Answer>>> = {
    MALFORMED_REQUEST: ({ method, path }) => ask(world.origin, `${method} ${path} HTTP/1.1`),
    HEADERS_TOO_LARGE: ({ method, path }) =>
      ask(world.origin, `${method} ${path} HTTP/1.1`, `X: ${'x'.repeat(17_000)}`),
    MALFORMED_BODY: (one) => send(one, { body: '{' }),
    PAYLOAD_TOO_LARGE: (one) => send(one, { body: ' '.repeat(262_145) }),
    UNSUPPORTED_MEDIA_TYPE: (one) => sendWith(one, { 'content-type': 'text/plain' }),
    VALIDATION_FAILED: invalid,
    // Of webhooks, an integration has some of its own, which it names by leaving companyId out.
    COMPANY_ID_REQUIRED: async (one) =>
      send(one, {
        path: `${one.path}${one.path.startsWith('/webhooks') ? '?companyId=' : ''}`,
        headers: { ...one.headers, ...bearer((await world.ats()).key) },
      }),
    COMPANY_ACCESS_DENIED: async (one) =>
      send(one, {
        path: `${one.path}?companyId=${one.agent.companyId}`,
        headers: { ...one.headers, ...bearer((await world.ats()).key) },
      }),
    INVALID_API_KEY: (one) => sendAs(one, 'nobody'),
    API_KEY_SUSPENDED: async (one) => {
      const { id, key } = await world.newKey(one.agent.companyId);
      await world.keys.suspend(id);
      return await sendAs(one, key);
    },
    IP_NOT_ALLOWED: async (one) => sendAs(one, await world.keyFrom(one.agent.companyId, '192.0.2.1')),
    INSUFFICIENT_PERMISSIONS: async (one) => sendAs(one, await world.keyWith(one.agent.companyId)),
    RESOURCE_ACCESS_DENIED: async (one) => sendAs(one, (await world.company()).key),
    RESOURCE_NOT_FOUND: notFound,
    PRECONDITION_FAILED: (one) => sendWith(one, { 'if-match': '"9"' }),
    IDEMPOTENCY_KEY_REUSED: async (one) => {
      const headers = { 'idempotency-key': 'reused' };
      await world.patch(one.agent.key, one.agent.id, { name: 'Another request' }, { headers });
      return await sendWith(one, headers);
    },
    RATE_LIMITED: async (one) => {
      const key = await world.limitedKey(one.agent.companyId, { perMinute: 1 });
      await world.call(key, 'GET /companies');
      return await sendAs(one, key);
    },
  };

  return {
    provoke,
    sendWith,

    /** A request that succeeds, with an agent or a webhook endpoint of its own. */
    async caseOf(line: string, body?: object): Promise<Case> {
      const agent = await newSubject(world);
      const ids = await idsFor(world, line, agent);
      const [method = '', path = ''] = named(line, ids).replace(':code', explained).split(' ');
      const headers = { ...bearer(agent.key), ...(body && { 'content-type': 'application/json' }) };
      return { agent, id: ids.id, method, path, headers, body };
    },
  };
}

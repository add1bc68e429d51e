import { type Answer, type Sent, send } from './http.ts';
import type { Attempt } from './too-slow.ts';

interface CallOptions {
  readonly headers?: Sent['headers'];
  readonly body?: unknown;
}

interface PatchOptions {
  readonly query?: string;
  readonly headers?: Sent['headers'];
}

/**
 * Requests to one server as they are written, malformed ones included.
 * @param timed measures each, as `unlessTooSlow` does
 */
export const callsOf = (origin: string, timed: Attempt['timed'] = (answer) => answer) => ({
  send: (sent: Sent) => timed(send(origin, sent)),

  /** One PATCH with a JSON body. */
  patch(key: string, id: string, body: unknown, { query = '', headers = {} }: PatchOptions = {}): Promise<Answer> {
    const path = `/agents/${id}${query}`;
    const type = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    return timed(send(origin, { path, headers: { ...type, ...headers }, body: JSON.stringify(body) }));
  },

  /** One request with a key, its first line as in "GET /agents?limit=5". A body is sent as JSON. */
  call(key: string, line: string, { headers = {}, body }: CallOptions = {}): Promise<Answer> {
    const [method = '', path = ''] = line.split(' ');
    const hasBody = body !== undefined;
    const type = { authorization: `Bearer ${key}`, ...(hasBody && { 'content-type': 'application/json' }) };
    const sent = { method, path, headers: { ...type, ...headers } };
    return timed(send(origin, { ...sent, ...(hasBody && { body: JSON.stringify(body) }) }));
  },
});

import { type Answer, type Sent, send } from './http.ts';

interface CallOptions {
  readonly headers?: Sent['headers'];
  readonly body?: unknown;
}

interface PatchOptions {
  readonly query?: string;
  readonly headers?: Sent['headers'];
}

/** Requests to one server as they are written, malformed ones included. */
export const callsOf = (origin: string) => ({
  send: (sent: Sent) => send(origin, sent),

  /** One PATCH with a JSON body. */
  patch(key: string, id: string, body: unknown, { query = '', headers = {} }: PatchOptions = {}): Promise<Answer> {
    return send(origin, {
      path: `/agents/${id}${query}`,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  },

  /** One request with a key, its first line as in "GET /agents?limit=5". A body is sent as JSON. */
  call(key: string, line: string, { headers = {}, body }: CallOptions = {}): Promise<Answer> {
    const [method = '', path = ''] = line.split(' ');
    const hasBody = body !== undefined;
    return send(origin, {
      method,
      path,
      headers: {
        authorization: `Bearer ${key}`,
        ...(hasBody && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(hasBody && { body: JSON.stringify(body) }),
    });
  },
});

import { Agent, type IncomingHttpHeaders, request } from 'node:http';

/** An answer as a client sees it; `body` is parsed if it is JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: unknown;
}

export interface Sent {
  readonly method?: string;
  /** The path with its query. */
  readonly path: string;
  /** A list repeats the header. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
  /** The local address to connect from. */
  readonly from?: string;
  /** An agent whose connections are used, instead of a new connection. */
  readonly agent?: Agent;
}

/** Sends one request, over a new connection unless an agent is given, and reads the whole answer. */
export function send(origin: string, sent: Sent): Promise<Answer> {
  const { method = 'PATCH', path, headers = {}, body, from, agent = new Agent() } = sent;
  const { hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  const lines: Record<string, string[]> = {};
  for (const [name, value] of Object.entries(headers)) lines[name] = [value].flat().map(asBytes);
  if (body !== undefined) lines['content-length'] = [String(Buffer.byteLength(body))];
  return new Promise((resolve, reject) => {
    const target = { host, port, method, path, headers: lines, agent, ...(from && { localAddress: from }) };
    const outgoing = request(target, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = /json/.test(answer.headers['content-type'] ?? '');
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          text,
          body: isJson && text !== '' ? JSON.parse(text) : undefined,
        });
      });
    });
    outgoing.on('error', reject);
    // Without a body Node would announce an empty one.
    outgoing.useChunkedEncodingByDefault = false;
    outgoing.end(body);
  });
}

const asBytes = (text: string) => Buffer.from(text).toString('latin1');

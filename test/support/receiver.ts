import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { onTestFinished, vi } from 'vitest';
import type { AtEnd } from './process.ts';

/** A received attempt. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** `webhook-id`. */
  readonly id: string;
  /** The event, as JSON. */
  readonly event: { readonly type: string; readonly data: { readonly agentId: string; readonly version: number } };
  /** The time at which the whole request had arrived, in milliseconds. */
  readonly at: number;
}

export type Respond = (received: Received, response: ServerResponse) => void;

const accept: Respond = (_, response) => response.writeHead(204).end();

/**
 * A receiver of webhooks on the loopback address.
 * @param respond answers an attempt; with 204, unless it is given
 */
export async function openReceiver(respond: Respond = accept, atEnd: AtEnd = onTestFinished) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const { url: path = '', headers } = request;
    const one = { path, headers, body, id: String(headers['webhook-id']), event: JSON.parse(body), at: Date.now() };
    received.push(one);
    respond(one, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  atEnd(close);
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hook`, port, received, server };
}

/** Whether the libraries of Standard Webhooks accept an attempt at the time of its arrival. Throws if they do not. */
export function verify({ body, headers, at }: Received, secret: string) {
  // They refuse attempts older than five minutes, and a test may check later.
  vi.useFakeTimers({ toFake: ['Date'], now: at });
  try {
    const texts = Object.entries(headers).map(([name, value]) => [name, String(value)]);
    return new Webhook(secret).verify(body, Object.fromEntries(texts));
  } finally {
    vi.useRealTimers();
  }
}

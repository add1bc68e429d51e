import { createServer, request as forward, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** What a proxy does with a request: it answers itself, or removes a header from the server's answer. */
type Interference =
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }
  | { readonly removed: string };

export type Interfere = (request: IncomingMessage) => Interference | undefined;

/**
 * A proxy in front of a server, closed with the test.
 * @param interfere called for each request; undefined passes on the request and its answer as they are
 * @returns its URL
 */
export async function openFront(origin: string, interfere: Interfere): Promise<string> {
  const proxy = createServer((request, response) => {
    const what = interfere(request);
    if (what && 'status' in what) {
      response.writeHead(what.status, what.headers).end(what.body);
      return;
    }
    const { method, headers } = request;
    const passed = forward(new URL(request.url ?? '', origin), { method, headers }, (answer) => {
      const kept = Object.entries(answer.headers).filter(([name]) => name !== what?.removed);
      response.writeHead(answer.statusCode ?? 502, Object.fromEntries(kept));
      answer.pipe(response);
    });
    request.pipe(passed);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        proxy.close(() => resolve());
        proxy.closeAllConnections();
      }),
  );
  const { port } = proxy.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

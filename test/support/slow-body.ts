import { vi } from 'vitest';
import type { Answer } from './http.ts';
import { head, RawSocket } from './raw-socket.ts';

interface SlowRequest {
  /** Method and path, as in "PATCH /agents/…". */
  readonly line: string;
  readonly key: string;
  readonly body: object;
  /** Further header lines. */
  readonly headers?: readonly string[];
}

/** Milliseconds after which a key is looked up again before a write, with a margin. */
const outdated = 1_000 + 20;

/**
 * Sends a request with half of its body. Sends the rest when the lookup of its key is more than a second old and
 * `meanwhile` has ended.
 */
export function sendSlowly(
  origin: string,
  { line, key, body, headers = [] }: SlowRequest,
  meanwhile: () => Promise<unknown>,
): Promise<Answer> {
  return RawSocket.use(origin, async (socket) => {
    const text = JSON.stringify(body);
    const half = Math.ceil(text.length / 2);
    socket.write(
      head(
        `${line} HTTP/1.1`,
        'Host: api',
        `Authorization: Bearer ${key}`,
        'Content-Type: application/json',
        `Content-Length: ${Buffer.byteLength(text)}`,
        'Expect: 100-continue',
        ...headers,
      ),
    );
    // `100 Continue` is sent after the key has been checked.
    await socket.answer();
    const since = performance.now();
    socket.write(text.slice(0, half));
    await untilOutdated(since);
    await meanwhile();
    socket.write(text.slice(half));
    return await socket.answer(1);
  });
}

/** Resolves when a key that was looked up at a time, by `performance.now()`, must be looked up again. */
export async function untilOutdated(since: number): Promise<void> {
  await vi.waitUntil(() => performance.now() - since > outdated, { timeout: 60_000, interval: 10 });
}

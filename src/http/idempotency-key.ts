import { createHash } from 'node:crypto';

/** The Idempotency-Key of a request: repeated requests with it change nothing again (docs/contract.md#retries). */
export interface Idempotency {
  /** The value of Idempotency-Key, without quotes. */
  readonly key: string;
  /** A hash of the request. The same key with another fingerprint is refused (IDEMPOTENCY_KEY_REUSED). */
  readonly fingerprint: string;
}

const bare = /^[!#-~][!-~]{0,254}$/;
const quoted = /^"((?:[!#-[\]-~]|\\["\\])+)"$/;

/**
 * The key in the value of an Idempotency-Key header: 1–255 visible ASCII characters, bare or as a quoted string
 * (RFC 9651, section 3.3.3), which are the same key. Undefined when it is neither.
 */
export function readIdempotencyKey(text: string): string | undefined {
  const inside = quoted.exec(text)?.[1]?.replaceAll(/\\(.)/g, '$1');
  if (inside !== undefined) return inside.length <= 255 ? inside : undefined;
  return bare.test(text) ? text : undefined;
}

interface Fingerprinted {
  readonly method: string;
  /** Path and query, as they were sent. */
  readonly url: string;
  readonly ifMatch: string | undefined;
  /** The bytes of the body; undefined without one. */
  readonly body: Uint8Array | undefined;
}

/** SHA-256 of method, URL, If-Match and body, as base64url. */
export function fingerprint({ method, url, ifMatch = '', body = new Uint8Array() }: Fingerprinted): string {
  // Unambiguous, as none of the parts can contain a line break.
  const head = createHash('sha256').update(`${method}\n${url}\n${ifMatch}\n`);
  return head.update(createHash('sha256').update(body).digest()).digest('base64url');
}

/** A reply of Fastify, as far as headers are set. */
export interface Reply {
  header(name: string, value: string): unknown;
}

/** Sets the header of an answer that repeats an earlier one. */
export function setReplayHeader(reply: Reply, replayed = false): void {
  if (replayed) reply.header('idempotent-replayed', 'true');
}

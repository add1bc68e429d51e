import { createHmac } from 'node:crypto';

/** The prefix of a secret; its bytes follow in base64. */
const prefix = 'whsec_';

/**
 * The headers that sign an attempt (Standard Webhooks 1.0.0): HMAC-SHA256 over `id.timestamp.body` as UTF-8. `id` is the same
 * for all attempts to deliver an event; `timestamp` is when this one begins, in seconds since 1970.
 * @param secrets as `whsec_…`: the current one, and during a rotation the previous one; one signature for each
 * @throws Error for a secret without that prefix
 */
export function signedHeaders(
  { id, timestamp, body }: { id: string; timestamp: number; body: string },
  secrets: readonly string[],
): Record<string, string> {
  const content = `${id}.${timestamp}.${body}`;
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', bytesOf(secret)).update(content).digest('base64')}`,
  );
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatures.join(' ') };
}

function bytesOf(secret: string): Buffer {
  if (!secret.startsWith(prefix)) throw new Error(`the secret of an endpoint does not begin with ${prefix}`);
  return Buffer.from(secret.slice(prefix.length), 'base64');
}

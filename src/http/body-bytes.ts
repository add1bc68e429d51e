import type { IncomingMessage } from 'node:http';
import { ApiError } from './problems.ts';
import { maxBodyBytes } from './size-limits.ts';

const empty = Buffer.alloc(0);

/**
 * Reads the body of a request. Each chunk is copied into one buffer as it arrives: a chunk that is kept takes 500 bytes of
 * memory beside its content, and a client can send each byte as a chunk. Reports the memory of that buffer while it is read.
 * @param done called once, with the bytes, with the error of the stream, or with ApiError PAYLOAD_TOO_LARGE as soon as more
 *   bytes have arrived; the rest is then discarded as it arrives
 */
export function readBody(body: IncomingMessage, done: (read: Buffer | Error) => void): void {
  let buffer = empty;
  let length = 0;

  const conclude = (read: Buffer | Error) => {
    body.off('data', add).off('end', succeed).off('error', conclude);
    body.onUnread?.(body, -buffer.length);
    done(read);
  };
  const succeed = () => conclude(buffer.subarray(0, length));
  const add = (chunk: Buffer) => {
    const needed = length + chunk.length;
    if (needed > maxBodyBytes) return conclude(new ApiError('PAYLOAD_TOO_LARGE'));
    if (needed > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(2 * buffer.length, maxBodyBytes)));
      buffer.copy(larger);
      body.onUnread?.(body, larger.length - buffer.length);
      buffer = larger;
    }
    chunk.copy(buffer, length);
    length = needed;
  };
  body.on('data', add).on('end', succeed).on('error', conclude);
}

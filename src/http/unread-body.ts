import { IncomingMessage } from 'node:http';

/** Bytes of memory that one chunk of a body takes beside its content: a Buffer with a memory block of its own. */
const chunkBytes = 512;

declare module 'node:http' {
  interface IncomingMessage {
    /** Called when the memory grows or shrinks that the body takes while nothing reads it; with the difference in bytes. */
    onUnread?: ((request: IncomingMessage, difference: number) => void) | undefined;
  }
}

/**
 * A request that reports the memory of its unread body, and keeps no trailers. Node parses all that it has read of a socket, 64 KB, also if nothing
 * reads the body: that can be 10,000 chunks of one byte, which take 5 MB.
 */
export class CountedRequest extends IncomingMessage {
  #unreadBytes = 0;

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    // The end of the message. Nothing reads its trailers, which Node would keep in memory.
    if (chunk === null && this.rawTrailers.length > 0) this.#dropTrailers();
    if (Buffer.isBuffer(chunk) && this.readableFlowing !== true) this.#report(chunk.length + chunkBytes);
    return super.push(chunk, encoding);
  }

  /** Called by whatever begins to read the body, and by Node to discard it after the answer. */
  override resume(): this {
    if (this.#unreadBytes > 0) this.#report(-this.#unreadBytes);
    return super.resume();
  }

  #dropTrailers(): void {
    this.rawTrailers = [];
    this.trailers = {};
  }

  #report(difference: number): void {
    this.#unreadBytes += difference;
    this.onUnread?.(this, difference);
  }
}

import { IncomingMessage } from 'node:http';

/** Bytes of memory that one chunk of a body takes beside its content: a Buffer with a memory block of its own. */
const chunkBytes = 512;

declare module 'node:http' {
  interface IncomingMessage {
    /** Called with the difference in bytes when the memory grows or shrinks that the body takes until it is read. */
    onUnread?: ((request: IncomingMessage, difference: number) => void) | undefined;
    /** Bytes of memory that the request takes without its body, at most. */
    readonly headBytes: number;
  }
}

/**
 * An estimate: 2 KB; the target, and 80 bytes for each parameter of its query; the names and values of the headers, and 100 bytes
 * for each of them; and the names once more, as Node also keeps them in lower case.
 */
const headBytesOf = ({ url = '', rawHeaders }: IncomingMessage): number =>
  rawHeaders.reduce(
    (sum, text, at) => sum + text.length * (at % 2 === 0 ? 2 : 1) + 100,
    2_048 + url.length + url.split('&').length * 80,
  );

/**
 * A request that knows the memory of its head, reports that of its unread body, and keeps no trailers. Node parses all that it
 * has read of a socket, 64 KB, also if nothing reads the body: that can be 10,000 chunks of one byte, which take 5 MB.
 */
export class CountedRequest extends IncomingMessage {
  #unreadBytes = 0;
  #headBytes: number | undefined;

  /** Found once, as Fastify shortens `url`. */
  override get headBytes(): number {
    this.#headBytes ??= headBytesOf(this);
    return this.#headBytes;
  }

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

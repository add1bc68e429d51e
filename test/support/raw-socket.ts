import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { vi } from 'vitest';
import type { Answer } from './http.ts';

/** How the server ended a connection; `open` if it did not. */
type Ending = 'open' | 'closed' | 'reset';

/** A client that writes bytes, valid or not, and keeps what it receives. */
export class RawSocket {
  readonly #socket: Socket;
  #received = '';
  #ending: Ending = 'open';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => {
      this.#received += bytes.toString('latin1');
    });
    socket.on('error', () => {
      this.#ending = 'reset';
    });
    socket.on('end', () => {
      if (this.#ending === 'open') this.#ending = 'closed';
    });
  }

  /** Connects for a task; the connection ends with the task. */
  static async use<Result>(origin: string, task: (socket: RawSocket) => Promise<Result>): Promise<Result> {
    const { hostname, port } = new URL(origin);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const wrapped = new RawSocket(socket);
    try {
      await once(socket, 'connect');
      return await task(wrapped);
    } finally {
      socket.destroy();
    }
  }

  /** Opens several connections. */
  static useMany<Result>(
    origin: string,
    count: number,
    task: (sockets: readonly RawSocket[]) => Promise<Result>,
  ): Promise<Result> {
    const open = (sockets: readonly RawSocket[]): Promise<Result> =>
      sockets.length === count ? task(sockets) : RawSocket.use(origin, (socket) => open([...sockets, socket]));
    return open([]);
  }

  write(bytes: string | Buffer): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Ends the sending side; answers are still read. */
  end(): void {
    this.#socket.end();
  }

  /** Destroys the socket at once. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Reads nothing more: what the server sends fills the buffers on the way. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** Everything received so far. */
  get received(): string {
    return this.#received;
  }

  get ending(): Ending {
    return this.#ending;
  }

  /** The complete answers received so far; an interim answer counts as one. */
  get answers(): Answer[] {
    return parse(this.#received);
  }

  /** The answer at a position, as soon as it is complete. */
  answer(position = 0): Promise<Answer> {
    return vi.waitUntil(() => this.answers[position], { timeout: 60_000, interval: 10 });
  }

  /** All answers, as soon as the server has closed the connection. */
  async untilClosed(timeout = 60_000): Promise<Answer[]> {
    await vi.waitUntil(() => this.#ending !== 'open', { timeout, interval: 10 });
    return this.answers;
  }
}

/** A request's line and headers. */
export const head = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`;

/** Text as the bytes of one chunk of a chunked body. */
export const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

function parse(received: string): Answer[] {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return [];
  const [statusLine = '', ...lines] = received.slice(0, headEnd).split('\r\n');
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine) ?? [];
  if (status === undefined) throw new Error(`no status line: ${statusLine}`);
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const bodyEnd = headEnd + 4 + Number(headers['content-length'] ?? 0);
  if (received.length < bodyEnd) return [];
  const text = Buffer.from(received.slice(headEnd + 4, bodyEnd), 'latin1').toString();
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  return [{ status: Number(status), headers, text, body }, ...parse(received.slice(bodyEnd))];
}

/** Sends a request as text, and reads its answer. */
export const ask = (origin: string, ...lines: string[]) =>
  RawSocket.use(origin, async (socket) => {
    socket.write(head(...lines));
    return await socket.answer();
  });

/** The head of a PATCH of an agent, with more headers. */
export const patchHead = ({ id, key }: { readonly id: string; readonly key: string }, ...more: string[]) =>
  head(
    `PATCH /agents/${id} HTTP/1.1`,
    'Host: api',
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    ...more,
  );

/** Sends bytes on a new connection and reads the first answer. */
export const exchange = (origin: string, bytes: string) =>
  RawSocket.use(origin, (socket) => {
    socket.write(bytes);
    return socket.answer();
  });

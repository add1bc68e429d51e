import { once } from 'node:events';
import { connect } from 'node:net';

interface Options {
  /** Whether the answers are read. */
  readonly reads?: boolean;
}

/** A client that sends many bytes at once and counts the answers. It does not parse them, so that it is fast enough. */
export async function openFlood(origin: string, { reads = true }: Options = {}) {
  const { hostname, port } = new URL(origin);
  const socket = connect({ host: hostname, port: Number(port) });
  let tail = '';
  let answers = 0;
  let isClosed = false;
  const waiting = new Set<() => void>();
  const look = () => {
    for (const task of waiting) task();
  };
  if (reads) {
    socket.on('data', (bytes) => {
      const text = tail + bytes.toString('latin1');
      answers += text.split('HTTP/1.1 ').length - 1;
      // Keep fewer bytes than the start of an answer has, so that none is counted twice.
      tail = text.slice(-8);
      look();
    });
  }
  socket.on('error', () => {});
  socket.once('close', () => {
    isClosed = true;
    look();
  });
  await once(socket, 'connect');
  return {
    socket,
    get answers() {
      return answers;
    },
    get isClosed() {
      return isClosed;
    },
    /** Resolves when `count` answers have arrived, or the connection is closed. */
    until(count: number): Promise<void> {
      return new Promise((resolve) => {
        const task = () => {
          if (answers < count && !isClosed) return;
          waiting.delete(task);
          resolve();
        };
        waiting.add(task);
        task();
      });
    },
  };
}

export type Flood = Awaited<ReturnType<typeof openFlood>>;

/** The shortest possible GET. */
export const shortGet = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

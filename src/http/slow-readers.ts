import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Connection } from './request-queue.ts';
import { unsentBytes } from './unsent-bytes.ts';

/** Milliseconds that sending a response may take (docs/contract.md#sizes-and-connections). */
const longestSending = 60_000;

/** Milliseconds for which a client may read no byte of a response. */
const longestStall = 10_000;

/** The progress of a response that is being sent; times on the clock of `performance.now()`. */
interface Progress {
  readonly since: number;
  readonly movedAt: number;
  /** Bytes written to the connection so far, and those of them that have not been sent. */
  readonly written: number;
  readonly queued: number;
}

/**
 * Finds clients that read their answer too slowly. The timeout of Node's sockets is not enough: it notices a stall only
 * after up to twice its time, and never a client that reads a byte now and then.
 * @returns a function to call about once a second; it returns the sockets to close
 */
export function slowReaders(): (connections: Iterable<Connection>, now: number) => Socket[] {
  let seen = new Map<ServerResponse, Progress>();
  return (connections, now) => {
    const current: typeof seen = new Map();
    const slow: Socket[] = [];
    for (const { socket, last, isRunning } of connections) {
      if (!isRunning || !last?.headersSent) continue;
      const progress = progressOf(socket, now, seen.get(last));
      current.set(last, progress);
      if (now - progress.since > longestSending || now - progress.movedAt > longestStall) slow.push(socket);
    }
    seen = current;
    return slow;
  };
}

function progressOf(socket: Socket, now: number, before: Progress | undefined): Progress {
  const [written, queued] = [socket.bytesWritten, unsentBytes(socket)];
  // With no unsent bytes, the client is not the one that is slow.
  const hasMoved = queued === 0 || written !== before?.written || queued !== before.queued;
  return { since: before?.since ?? now, movedAt: hasMoved ? now : before.movedAt, written, queued };
}

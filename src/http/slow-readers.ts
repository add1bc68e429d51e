import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Connection } from './request-queue.ts';
import { unsentBytes } from './unsent-bytes.ts';

/** Milliseconds from the first byte of a response within which all of it must be sent (docs/contract.md#sizes-and-connections). */
const longestSending = 60_000;

/** Milliseconds for which a client may take no byte of a response. */
const longestStall = 10_000;

/** What was last seen of a response that is being sent; times as `performance.now()` counts. */
interface Progress {
  readonly since: number;
  readonly movedAt: number;
  /** Bytes that the connection was given so far, and those of them that wait for the client. */
  readonly written: number;
  readonly queued: number;
}

/**
 * Finds clients that read their answer too slowly. Node's own timeout of a socket notices a stall after up to twice its
 * time, and never a reader that takes one byte now and then.
 * @returns to be called about once a second: the sockets that are to be cut
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
  // While nothing waits for the client, it is the server that takes its time.
  const hasMoved = queued === 0 || written !== before?.written || queued !== before.queued;
  return { since: before?.since ?? now, movedAt: hasMoved ? now : before.movedAt, written, queued };
}

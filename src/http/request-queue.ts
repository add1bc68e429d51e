import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { maxConnections } from './bounded-server.ts';
import { onePerTurn } from './one-per-turn.ts';
import { unsentBytes } from './unsent-bytes.ts';

/** Unanswered requests of one connection at which its socket is paused (docs/contract.md#sizes-and-connections). */
const maxUnanswered = 16;

/** Bytes of memory that the requests of all connections take together, at most (docs/contract.md#sizes-and-connections). */
const maxHeldBytes = 64 * 1024 * 1024;

export interface Connection {
  readonly socket: Socket;
  /** The response of the request that was begun last; undefined once it is over and all of that request has arrived. */
  last: ServerResponse | undefined;
  /** Whether that request is being served or its response is being sent. */
  isRunning: boolean;
  /** The responses of the waiting requests behind it, oldest first. */
  readonly held: ServerResponse[];
  /** Bytes of memory of its requests: each head until it is answered and has arrived whole, each body until it is read. */
  heldBytes: number;
}

interface Options {
  /** Serves a request. It is over when its response emits `close`. */
  readonly begin: (response: ServerResponse) => void;
  /** Called when a response has emitted `close`. */
  readonly end: (response: ServerResponse) => void;
  /** Called when all requests that have arrived on a connection are answered. */
  readonly onIdle: (connection: Connection) => void;
}

export type RequestQueue = ReturnType<typeof requestQueue>;

/**
 * The open connections, each with its requests in the order of their arrival. The requests of one connection are served
 * one after the other, each when the response before it has been sent. RFC 9112, section 9.3.2, requires that order for
 * methods that are not safe, and it limits the memory that a connection with pipelined requests can use. Node's own queue
 * is not enough: it starts all requests of a read at once, and a response in it does not notice that its socket closed.
 */
export function requestQueue({ begin, end, onIdle }: Options) {
  const open = new Map<Socket, Connection>();
  /** Connections without a request, in the order in which they became idle. */
  const idle = new Set<Connection>();
  /** Connections with a running request, in the order in which these were begun. */
  const running = new Set<Connection>();
  /** Connections whose next waiting request can be begun: one after the other, so that none delays those of the others. */
  const ready = onePerTurn(next);
  let totalHeldBytes = 0;

  const isFull = (connection: Connection) => connection.held.length + Number(connection.isRunning) >= maxUnanswered;

  function add(socket: Socket): void {
    const connection: Connection = { socket, last: undefined, isRunning: false, held: [], heldBytes: 0 };
    open.set(socket, connection);
    idle.add(connection);
    socket.once('close', () => forget(connection));
    // Node resumes the socket itself when a request has been read to its end.
    socket.on('resume', () => {
      if (isFull(connection)) socket.pause();
    });
    if (open.size > maxConnections) close(leastUsed(connection));
  }

  /** The connection to close for a new one: the longest idle one, else the one that has waited longest for its client. */
  function leastUsed(newest: Connection): Connection {
    for (const connection of idle) if (connection !== newest) return connection;
    for (const connection of running) if (waitsForClient(connection)) return connection;
    return newest;
  }

  function forget(connection: Connection): void {
    if (!open.delete(connection.socket)) return;
    idle.delete(connection);
    running.delete(connection);
    ready.delete(connection);
    connection.held.length = 0;
    totalHeldBytes -= connection.heldBytes;
  }

  /** Adds to the bytes that the connection of a request holds, unless it has been closed. */
  function count({ socket }: IncomingMessage, difference: number): void {
    const connection = open.get(socket);
    if (!connection) return;
    connection.heldBytes += difference;
    totalHeldBytes += difference;
    if (difference > 0 && totalHeldBytes > maxHeldBytes) makeRoom();
  }

  const uncountHead = ({ req }: ServerResponse) => count(req, -req.headBytes);

  function close(connection: Connection): void {
    forget(connection);
    connection.socket.destroy();
  }

  /** Accepts a request that has arrived. It is dropped if its answer could not be sent any more. */
  function take(response: ServerResponse): void {
    const { req } = response;
    const connection = open.get(req.socket);
    if (!connection || !req.socket.writable) return;
    req.onUnread = count;
    count(req, req.headBytes);
    // It may have been closed for the memory that it takes.
    if (!open.has(req.socket)) return;
    if (connection.isRunning || connection.held.length > 0) connection.held.push(response);
    else run(connection, response);
    if (isFull(connection)) connection.socket.pause();
  }

  /** Closes the connections that cost most until 2 % of the limit are free, not just one: sorting thousands takes time. */
  function makeRoom(): void {
    for (const connection of [...open.values()].sort((one, other) => costOf(other) - costOf(one))) {
      if (totalHeldBytes <= maxHeldBytes * 0.98) return;
      close(connection);
    }
  }

  function run(connection: Connection, response: ServerResponse): void {
    connection.last = response;
    connection.isRunning = true;
    idle.delete(connection);
    running.add(connection);
    response.on('close', conclude);
    begin(response);
  }

  /** One function for all responses: a closure for each would cost more than finding the connection again. */
  function conclude(this: ServerResponse): void {
    end(this);
    const connection = open.get(this.req.socket);
    if (connection) proceed(connection, this);
  }

  function proceed(connection: Connection, answered: ServerResponse): void {
    const wasFull = isFull(connection);
    connection.isRunning = false;
    running.delete(connection);
    if (answered.req.complete) release(connection, answered);
    else answered.req.once('end', () => release(connection, answered));
    if (wasFull && !isFull(connection)) connection.socket.resume();
    if (connection.held.length > 0) ready.add(connection);
    else settle(connection);
  }

  /** Drops the reference to the answered request: an idle connection would keep it in memory, with its headers and body. */
  function release(connection: Connection, answered: ServerResponse): void {
    if (connection.last === answered) connection.last = undefined;
    uncountHead(answered);
  }

  function next(connection: Connection): void {
    const { socket, held } = connection;
    if (!socket.writable) for (const dropped of held.splice(0)) uncountHead(dropped);
    const response = held.shift();
    if (response) run(connection, response);
    else settle(connection);
  }

  function settle(connection: Connection): void {
    idle.add(connection);
    onIdle(connection);
  }

  return {
    add,
    take,
    of: (socket: Socket): Connection | undefined => open.get(socket),
    connections: (): IterableIterator<Connection> => open.values(),

    /**
     * The response of the request that a connection has received only in part; undefined without one. If that request was
     * waiting, it is removed from the queue and never begun.
     */
    takeUnfinished(connection: Connection): ServerResponse | undefined {
      const newest = connection.held.at(-1) ?? connection.last;
      if (!newest || newest.req.complete) return undefined;
      if (connection.held.pop()) uncountHead(newest);
      return newest;
    },
  };
}

/** Whether the response cannot proceed until its client reads more of it. */
const isUnread = ({ socket, last }: Connection) => last?.headersSent === true && unsentBytes(socket) > 0;

/** Whether the request cannot proceed until its client sends more of it or reads more of the response. */
const waitsForClient = (connection: Connection) => connection.last?.req.complete === false || isUnread(connection);

/**
 * The bytes that closing a connection gives back, and more for two kinds that go first: where only the end of an answered request
 * is missing; then where the client leaves an answer unread that was given without a key, or that requests wait behind.
 */
function costOf(connection: Connection): number {
  const { heldBytes, last, isRunning, held } = connection;
  if (!isRunning && last && !last.req.complete) return heldBytes + 2 * maxHeldBytes;
  return heldBytes + ((held.length > 0 || !last?.req.exchange?.keyId) && isUnread(connection) ? maxHeldBytes : 0);
}

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** Milliseconds for which the bytes of a client are still read and discarded after the answer to a malformed message. */
const lingerTime = 1_000;

/** The same after the answer to a request whose body is still arriving (docs/contract.md#sizes-and-connections). */
const longestRest = 10_000;

/**
 * Ends the server's side of a connection and discards what the client still sends, for a limited time. Closing a socket with
 * unread bytes resets the connection, and the client could lose the answer.
 * @param answer its last bytes
 */
export function endConnection(socket: Socket, answer = '', time = lingerTime): void {
  if (answer !== '') socket.write(answer);
  socket.end();
  const timer = setTimeout(() => socket.destroy(), time);
  socket.once('close', () => clearTimeout(timer));
}

/**
 * Makes `destroySoon`, which closes a connection after an answer that is its last one, wait for the rest of the request's
 * body. Node would close the socket with unread bytes.
 * @param lastRequest returns the request that was begun last
 */
export function closeAfterBody(socket: Socket, lastRequest: () => IncomingMessage | undefined): void {
  const destroySoon = socket.destroySoon.bind(socket);
  socket.destroySoon = () => {
    const request = lastRequest();
    if (!request || request.complete || request.destroyed) return destroySoon();
    request.once('end', destroySoon);
    endConnection(socket, '', longestRest);
  };
}

import type { Socket } from 'node:net';
import { hashesOf, type KeyHashes, type KeySecrets, readKey } from './api-key.ts';

declare module 'node:net' {
  interface Socket {
    /** The last well-formed value of Authorization on the connection, and the hashes of its key. Set by `hashesSent`. */
    sentKey?: { readonly authorization: string; readonly hashes: KeyHashes };
  }
}

/**
 * The hashes of the key in an Authorization header. Most clients send one key on all requests of a connection, and hashing
 * it takes as long as parsing an agent; so the hashes of the last one are kept with the connection, as long as Node keeps
 * that request itself. Whether the key is valid is looked up for each request all the same.
 * @param socket of the connection that the header came on
 * @returns undefined if the header is malformed
 */
export function hashesSent(socket: Socket, authorization: string, secrets: KeySecrets): KeyHashes | undefined {
  if (socket.sentKey?.authorization === authorization) return socket.sentKey.hashes;
  const key = readKey(authorization);
  if (key === undefined) return undefined;
  const hashes = hashesOf(key, secrets);
  socket.sentKey = { authorization, hashes };
  return hashes;
}

import type { IncomingMessage } from 'node:http';
import { countHeader } from '../http/connections.ts';
import { hashesOf, type KeyHashes, type KeySecrets, readKey } from './api-key.ts';

declare module 'node:net' {
  interface Socket {
    /** The well-formed key of the last request that had one, and its hashes. Set by `hashesSent`. */
    sentKey?: { readonly authorization: string; readonly hashes: KeyHashes };
  }
}

/**
 * The hashes of the key in a request's only Authorization header. Most clients send one key on all requests of a connection,
 * and hashing it takes as long as parsing an agent; so the hashes of the last one are kept with the connection, as long as
 * Node keeps that request itself. Whether the key is valid is looked up for each request all the same.
 * @returns undefined if the header is missing, repeated or malformed
 */
export function hashesSent(
  { socket, rawHeaders, headers }: IncomingMessage,
  secrets: KeySecrets,
): KeyHashes | undefined {
  const { authorization = '' } = headers;
  // Of a repeated header, `headers` has the first value.
  if (countHeader(rawHeaders, 'authorization') !== 1) return undefined;
  if (socket.sentKey?.authorization === authorization) return socket.sentKey.hashes;
  const key = readKey(authorization);
  if (key === undefined) return undefined;
  const hashes = hashesOf(key, secrets);
  socket.sentKey = { authorization, hashes };
  return hashes;
}

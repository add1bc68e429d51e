import type { Socket } from 'node:net';

/** Bytes of a socket that the operating system has not accepted yet: a private property of Node, else `writableLength`. */
export function unsentBytes(socket: Socket): number {
  const { writeQueueSize = socket.writableLength }: { writeQueueSize?: number } = Reflect.get(socket, '_handle') ?? {};
  return writeQueueSize;
}

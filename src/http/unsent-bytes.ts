import type { Socket } from 'node:net';

/** Bytes that the operating system has not taken yet. Node has no public name for that; without it, whole writes count. */
export function unsentBytes(socket: Socket): number {
  const { writeQueueSize = socket.writableLength }: { writeQueueSize?: number } = Reflect.get(socket, '_handle') ?? {};
  return writeQueueSize;
}

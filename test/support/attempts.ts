import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { type Attempt, deliverer } from '../../src/webhooks/attempt.ts';
import type { AddressRules } from '../../src/webhooks/target.ts';
import { newSecret } from './sending.ts';

const loopback: AddressRules = { allowHttp: true, allowNetworks: ['127.0.0.0/8'] };

/** Sends single attempts, with a resolver that the test controls. */
export function openDeliverer(resolve = async (_name: string): Promise<string[]> => ['127.0.0.1'], rules = loopback) {
  const { deliver, giveUp, close } = deliverer({ ...rules, resolve });
  onTestFinished(close);
  const secret = newSecret();
  return {
    giveUp,
    deliver: (url: string, attempt: Partial<Attempt> = {}) =>
      deliver({ url, eventId: 'msg_1', body: '{}', secrets: [secret], headers: {}, ...attempt }),
  };
}

/** A server that is not HTTP: it gets the sockets. */
export async function openSocketServer(onSocket: (socket: Socket) => void) {
  const server = createServer(onSocket);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { port, server };
}

/** The result of an attempt that got no answer. */
export const failure = (error: string) => ({ isDelivered: false, status: null, error, answer: null });

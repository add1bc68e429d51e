import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { type Attempt, attemptSender } from '../../src/webhooks/attempt.ts';
import type { TargetRules } from '../../src/webhooks/target.ts';
import { newSecret } from './sending.ts';

const loopback: TargetRules = { allowHttp: true, allowNetworks: ['127.0.0.0/8'] };

/** Sends single attempts, with a resolver that the test controls. */
export function openDeliverer(resolve = async (_name: string): Promise<string[]> => ['127.0.0.1'], rules = loopback) {
  const { send, abort, close } = attemptSender({ ...rules, resolve });
  onTestFinished(close);
  const secret = newSecret();
  return {
    abort,
    deliver: (url: string, attempt: Partial<Attempt> = {}) =>
      send({ url, eventId: 'msg_1', body: '{}', secrets: [secret], headers: {}, ...attempt }),
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

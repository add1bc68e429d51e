import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { onTestFinished, vi } from 'vitest';
import { type Attempt, type AttemptLimits, attemptSender } from '../../src/webhooks/attempt.ts';
import type { TargetRules } from '../../src/webhooks/target.ts';
import { newSecret } from './sending.ts';
import { patience } from './time-limits.ts';

const loopback: TargetRules = { allowHttp: true, allowNetworks: ['127.0.0.0/8'] };

/** Sends single attempts, with a resolver that the test controls. Unless other limits are given, an attempt has a minute. */
export function openDeliverer(
  resolve = async (_name: string): Promise<string[]> => ['127.0.0.1'],
  rules = loopback,
  limits: Partial<AttemptLimits> = { longestAttempt: patience },
) {
  const { send, abort, close } = attemptSender({ ...rules, resolve, limits });
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

/**
 * A receiver that answers 204 once `accept` was called. Until then its queues of connections are full, so Linux drops
 * further ones; a client sends the first packet of a connection again after 1 s.
 * @param addresses loopback addresses, at one port
 */
export async function openFullReceiver(addresses: readonly string[]) {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `const { once } = require('node:events');
     const { createServer } = require('node:http');
     const { parentPort, workerData: { addresses, gate } } = require('node:worker_threads');
     async function listen() {
       let port = 0;
       for (const host of addresses) {
         const server = createServer((_, response) => response.writeHead(204).end()).listen({ host, port, backlog: 1 });
         await once(server, 'listening');
         port = server.address().port;
       }
       parentPort.postMessage(port);
       Atomics.wait(gate, 0, 0);
     }
     listen();`,
    { eval: true, workerData: { addresses, gate } },
  );
  const [port] = await once(worker, 'message');
  const fillers = addresses.flatMap((address) => Array.from({ length: 2 }, () => connect(port, address)));
  await Promise.all(fillers.map((filler) => once(filler, 'connect')));
  const accept = () => {
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
  };
  onTestFinished(async () => {
    accept();
    for (const filler of fillers) filler.destroy();
    await worker.terminate();
  });
  return { port: Number(port), accept };
}

/** Resolves when a connection to the port has been begun that the other side has not accepted. */
export const untilConnecting = (port: number) =>
  vi.waitUntil(
    async () => {
      const hex = port.toString(16).toUpperCase().padStart(4, '0');
      return (await readFile('/proc/net/tcp', 'utf8')).split('\n').some((line) => line.includes(`:${hex} 02 `));
    },
    { timeout: 60_000, interval: 10 },
  );

/** The result of an attempt that got no answer. */
export const failure = (error: string) => ({ isDelivered: false, status: null, error, answer: null });

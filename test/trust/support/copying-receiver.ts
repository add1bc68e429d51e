import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { openClient } from '../../support/kept-client.ts';
import { openReceiver, verify } from '../../support/receiver.ts';
import { openAgentCopy } from './agent-copy.ts';

/** The current failure of the receiver. */
type Fault = 'none' | 'answers 500' | 'does not answer' | 'loses its answers' | 'answers 410';

/** A receiver with an endpoint of its own that keeps a copy of the agents. It can fail and crash. */
export async function openCopyingReceiver(origin: string, key: string) {
  const copy = openAgentCopy({ origin, key });
  const counts = { attempts: 0, notVerified: 0 };
  let fault: Fault = 'none';

  const receiver = await openReceiver((received, response) => {
    counts.attempts += 1;
    try {
      verify(received, secret);
    } catch {
      counts.notVerified += 1;
      response.writeHead(401).end();
      return;
    }
    if (fault === 'does not answer') return;
    const refusal = { 'answers 500': 500, 'answers 410': 410, 'loses its answers': undefined, none: undefined }[fault];
    if (refusal === undefined) copy.receive(received);
    if (fault === 'loses its answers') response.socket?.resetAndDestroy();
    else response.writeHead(refusal ?? 204).end();
  });

  const manage = openClient(key);
  const events = ['agent.created', 'agent.updated', 'agent.deleted'];
  const made = await manage(origin, { line: 'POST /webhooks', body: { url: receiver.url, events } });
  const webhookId = String(Object(made.body).id);
  let secret = String(Object(made.body).secret);

  let life = new AbortController();
  let running = copy.run(webhookId, life.signal);

  async function crash(): Promise<void> {
    receiver.server.close();
    receiver.server.closeAllConnections();
    life.abort();
    await running;
  }
  onTestFinished(crash);

  return {
    webhookId,
    agents: copy.agents,
    eventIds: copy.eventIds,
    counts: () => ({ ...counts, ...copy.counts }),

    /** Makes the receiver fail for some time. */
    async fail(kind: Fault, milliseconds: number): Promise<void> {
      fault = kind;
      await delay(milliseconds);
      fault = 'none';
    },

    /** The receiver loses its connections and unfinished work, and restarts some time later. */
    async crashFor(milliseconds: number): Promise<void> {
      await crash();
      await delay(milliseconds);
      receiver.server.listen(receiver.port, '127.0.0.1');
      await once(receiver.server, 'listening');
      life = new AbortController();
      running = copy.run(webhookId, life.signal);
    },

    async rotateSecret(): Promise<void> {
      const line = `POST /webhooks/${webhookId}/rotate-secret`;
      const answer = await manage(origin, { line }).catch(() => undefined);
      if (answer?.status === 200) secret = String(Object(answer.body).secret);
    },

    /** Resolves when the endpoint is enabled, the list has been read, and every event is applied. */
    async settled(): Promise<void> {
      for (;;) {
        const answer = await manage(origin, { line: `GET /webhooks/${webhookId}` }).catch(() => undefined);
        if (copy.isUpToDate() && Object(answer?.body).status === 'ENABLED') return;
        await Promise.race([delay(100), running]);
      }
    },
  };
}

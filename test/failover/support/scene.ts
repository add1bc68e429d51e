import { randomUUID } from 'node:crypto';
import { expect, onTestFailed } from 'vitest';
import { openClient } from '../../support/kept-client.ts';
import { openReceiver, type Received } from '../../support/receiver.ts';
import { expectReplay } from '../../support/retry.ts';
import { storeEndpoint } from '../../support/sending.ts';
import type { Attempt } from '../../support/too-slow.ts';
import { type Acknowledged, expectExactlyOnce } from '../../trust/support/exactly-once.ts';
import { makeCompany } from '../../trust/support/own-company.ts';
import { expectDeliveredOnce, untilAllDelivered } from '../../trust/support/webhook-companies.ts';
import type { Cluster } from './cluster.ts';
import { startLoad } from './load.ts';

const agents = 6;

/**
 * A company in a whole cluster, with a receiver of its events and clients that change its agents.
 * @param attempt the run of the scene; a further promotion proves that Patroni took a slow node for a lost one
 * @param promotions the number that the scene makes
 */
export async function openScene(cluster: Cluster, { provedBy, atEnd }: Attempt, promotions = 0) {
  onTestFailed(() => console.log(cluster.lastWords()));
  await cluster.whole();
  const before = await cluster.promotions();
  provedBy(async () => (await cluster.promotions()) - before > promotions);
  atEnd(async () => void cluster.revive());
  const { companyId, key } = await makeCompany(cluster.ownerUrl, cluster.secret);
  const { servers } = cluster;
  const client = openClient(key);
  const made: Acknowledged[] = [];
  for (let count = 0; count < agents; count += 1) {
    const body = { name: `Agent ${count}`, type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
    const requestId = randomUUID();
    const headers = { 'idempotency-key': requestId, 'x-request-id': requestId };
    const call = { line: 'POST /agents', body, headers };
    const answer = await client(servers[0] ?? '', call);
    expect(answer.status, answer.text).toBe(201);
    made.push({ requestId, call, answer, times: 1 });
  }
  const ids = made.map(({ answer }): string => Object(answer.body).id);
  const accepted: Received[] = [];
  const receiver = await openReceiver((received, response) => {
    accepted.push(received);
    response.writeHead(204).end();
  });
  const endpoint = await storeEndpoint(cluster, companyId, receiver.url, { events: ['agent.updated'] });
  const load = startLoad({ key, origins: servers, ids, atEnd });

  return {
    companyId,
    key,
    ids,
    load,

    /**
     * Ends the load. Every acknowledged write is stored once and there are no others, its Idempotency-Key gets the same
     * answer from either server, and every change was sent to the receiver.
     */
    async expectNothingLost(): Promise<void> {
      const summary = await load.stop();
      const acknowledged = [...made, ...load.acknowledged];
      await expectExactlyOnce(cluster, companyId, acknowledged);
      for (const [at, { call, answer }] of acknowledged.entries()) {
        const { 'idempotent-replayed': _, ...headers } = answer.headers;
        expectReplay(await client(servers[at % servers.length] ?? '', call), { ...answer, headers });
      }
      await untilAllDelivered(cluster);
      const webhookCompany = { companyId, key, agents: ids, endpointId: endpoint.id, secret: endpoint.secret };
      const changes = load.acknowledged.filter(({ call }) => call.line.startsWith('PATCH')).length;
      await expectDeliveredOnce(cluster, webhookCompany, { acknowledged: changes, accepted });
      console.log(`${summary}; ${accepted.length} deliveries`);
    },
  };
}

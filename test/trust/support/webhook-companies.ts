import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { type Client, openClient, startUnlimited } from '../../support/kept-client.ts';
import { type Received, verify } from '../../support/receiver.ts';
import { storeEndpoint } from '../../support/sending.ts';
import type { World } from '../../support/world.ts';

/** The database of a server, and a pool of its owner. */
export type SendingWorld = Pick<World, 'databaseUrl' | 'secret' | 'sql'>;

/** The settings with which a server sends webhooks to this machine. */
export const webhooksToLoopback = { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOW_NETWORKS: '127.0.0.0/8' };

/** A server process that sends webhooks to this machine. */
export const startSending = (
  world: Pick<World, 'databaseUrl' | 'secret'>,
  env: Readonly<Record<string, string>> = {},
) => startUnlimited(world, { ...webhooksToLoopback, ...env });

/** A company with agents, and an endpoint for all of its events. */
export interface WebhookCompany {
  readonly companyId: string;
  readonly key: string;
  readonly agents: readonly string[];
  readonly endpointId: string;
  readonly secret: string;
}

export async function newWebhookCompany(world: World, url: string, agents: number): Promise<WebhookCompany> {
  const { id: companyId, key } = await world.company();
  const made = await Promise.all(Array.from({ length: agents }, () => world.agent(companyId)));
  const { id: endpointId, secret } = await storeEndpoint(world, companyId, url);
  return { companyId, key, agents: made.map(({ id }) => id), endpointId, secret };
}

/** Sends a change until it is acknowledged, with one idempotency key. */
async function changeUntilSaved(client: Client, origin: string, id: string, metadata: object): Promise<void> {
  const headers = { 'idempotency-key': randomUUID() };
  for (;;) {
    const answer = await client(origin, { line: `PATCH /agents/${id}`, body: { metadata }, headers }).catch(
      () => undefined,
    );
    if (answer?.status === 200) return;
    expect(answer?.status ?? 503).toBeOneOf([409, 503]);
    await delay(20);
  }
}

/**
 * Clients that change the agents of a company without a pause, until they are stopped; every change is acknowledged
 * in the end.
 * @param origins the servers, one of which each change is sent to
 */
export function startChanging({ key, agents }: WebhookCompany, origins: readonly string[], clients: number) {
  let isOver = false;
  let acknowledged = 0;
  const running = Array.from({ length: clients }, async (_, at) => {
    const client = openClient(key);
    for (let count = 0; !isOver; count += 1) {
      const [origin = '', id = ''] = [origins[randomInt(origins.length)], agents[randomInt(agents.length)]];
      await changeUntilSaved(client, origin, id, { [`c${at}`]: count });
      acknowledged += 1;
    }
  });
  return {
    async more(changes: number): Promise<void> {
      const enough = acknowledged + changes;
      while (acknowledged < enough) await Promise.race([delay(5), Promise.all(running)]);
    },
    async stop(): Promise<number> {
      isOver = true;
      await Promise.all(running);
      return acknowledged;
    },
  };
}

/** Makes every delivery due at once, so that a test need not wait for the schedule. */
export const makeAllDue = ({ sql }: Pick<World, 'sql'>) =>
  sql.query(
    `UPDATE webhook_delivery SET next_attempt_at = now() WHERE id IN (
       SELECT id FROM webhook_delivery
        WHERE status = 'PENDING' AND leased_until IS NULL AND next_attempt_at > now() FOR UPDATE SKIP LOCKED)`,
  );

/** Resolves when no delivery is pending. */
export async function untilAllDelivered(world: Pick<World, 'sql'>): Promise<void> {
  for (;;) {
    await makeAllDue(world);
    const { rows } = await world.sql.query(
      `SELECT count(*)::int AS count FROM webhook_delivery WHERE status = 'PENDING'`,
    );
    if (rows[0].count === 0) return;
    await delay(200);
  }
}

/**
 * Every acknowledged change is a version, each version arrived at least once, and no other version did. Without repeats,
 * the versions of each agent are in order, and every signature holds.
 * @param acknowledged changes that the clients made
 * @param accepted what the receiver answered with 2xx
 */
export async function expectDeliveredOnce(
  { sql }: Pick<World, 'sql'>,
  webhookCompany: WebhookCompany,
  { acknowledged, accepted }: { readonly acknowledged: number; readonly accepted: readonly Received[] },
) {
  const { rows } = await sql.query(
    `SELECT v.agent_id || ' ' || v.version AS version FROM agent_version v
      WHERE v.agent_id = ANY($1) AND v.version > 1 ORDER BY v.agent_id, v.version`,
    [webhookCompany.agents],
  );
  expect(rows).toHaveLength(acknowledged);
  const idOfVersion = new Map<string, string>();
  const last = new Map<string, number>();
  for (const received of accepted) {
    verify(received, webhookCompany.secret);
    const { agentId, version } = received.event.data;
    const name = `${agentId} ${version}`;
    // One event has one id, however often it is sent.
    expect(idOfVersion.get(name) ?? received.id).toBe(received.id);
    if (!idOfVersion.has(name)) {
      expect(version).toBe((last.get(agentId) ?? 1) + 1);
      last.set(agentId, version);
    }
    idOfVersion.set(name, received.id);
  }
  expect([...idOfVersion.keys()].toSorted()).toEqual(rows.map(({ version }) => version).toSorted());
}

import { onTestFinished } from 'vitest';
import { webhookRepository } from '../../src/webhooks/repository.ts';
import { blocksOf } from './blocks.ts';
import { openLimited } from './time-limits.ts';
import type { World } from './world.ts';

type Deliveries = ReturnType<typeof webhookRepository>['deliveries'];

interface Stored {
  /** The agent of all of them; each has another one by default. */
  readonly agentId?: string;
  /** Every how many of them one has failed; 1 by default, so that all have. The others are delivered. */
  readonly failing?: number;
}

/** Stores deliveries that have ended to an endpoint, about a company. */
export const storeEnded = (
  { sql }: Pick<World, 'sql'>,
  endpointId: string,
  companyId: string,
  count: number,
  { agentId, failing = 1 }: Stored = {},
) =>
  sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, company_id, version, body, status, finished_at)
     SELECT $1, 'msg_' || gen_random_uuid(), 'agent.updated', coalesce($4, gen_random_uuid()), $2, 2, repeat('b', 500),
            CASE WHEN n % $5::int = 0 THEN 'FAILED' ELSE 'DELIVERED' END, now()
       FROM generate_series(1, $3::int) AS n`,
    [endpointId, companyId, count, agentId, failing],
  );

/** Has one connection list deliveries of an endpoint, and counts the blocks that the second list reads of tables. */
export async function listedBlocks(
  { databaseUrl, sql }: Pick<World, 'databaseUrl' | 'sql'>,
  endpointId: string,
  tables: readonly string[],
  filter: Parameters<Deliveries>[1] = {},
) {
  const database = openLimited('patient', databaseUrl, 1);
  onTestFinished(() => database.close());
  const { deliveries } = webhookRepository(database);
  const list = () => deliveries(endpointId, filter, { page: 1, limit: 20 });
  const { items, total } = await list();
  const blocks = [];
  for (const table of tables) blocks.push(await blocksOf(database, sql, table, list));
  return { items, total, blocks };
}

import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { agentRepository } from '../../src/agents/repository.ts';
import type { Decide } from '../../src/agents/write/decision.ts';
import { type RetryReason, silent } from '../../src/metrics/meter.ts';
import { directCaller } from '../support/direct-caller.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const longer: Decide = (found) => {
  if (!found) throw new Error('not found');
  return { content: { ...found.agent.content, duration: 31 }, changedFields: ['duration'] };
};
const nothing: Decide = (found) => {
  if (!found) throw new Error('not found');
  return { content: found.agent.content, changedFields: [] };
};

test('changes of two agents with one idempotency key in a batch: one is made, the other is refused, and the others are made in one statement', async () => {
  const database = openLimited('patient', world.databaseUrl, 4);
  onTestFinished(() => database.close());
  const repeated: RetryReason[] = [];
  const sizes: number[] = [];
  const agents = agentRepository(database, {
    ...silent,
    repeated: (why) => repeated.push(why),
    batch: (of, size) => of === 'changes' && sizes.push(size),
  });
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const newAgents = (count: number, id: string) => Promise.all(Array.from({ length: count }, () => world.agent(id)));
  const pairs = await newAgents(4, company.id);
  const neighbours = await newAgents(20, other.id);
  const keys = [randomUUID(), randomUUID()];

  // Calls of one turn of the event loop form one batch.
  const ends = await Promise.allSettled([
    ...pairs.map(({ id }, at) => {
      const idempotency = { key: keys[at % 2] ?? '', fingerprint: id };
      const draft = { id, phoneNumberId: null, idempotency };
      return agents.change(draft, directCaller(company), at % 2 ? nothing : longer);
    }),
    ...neighbours.map(({ id }) => agents.change({ id, phoneNumberId: null }, directCaller(other), longer)),
  ]);
  expect({ sizes, repeated }).toEqual({ sizes: [24], repeated: [] });

  const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'IDEMPOTENCY_KEY_REUSED' }) };
  const changed = ['duration'];
  expect(ends).toMatchObject([
    { value: { agent: { version: 2 }, changedFields: changed } },
    { value: { agent: { version: 1 }, changedFields: [] } },
    ...[refused, refused],
    ...neighbours.map(() => ({ value: { agent: { version: 2 }, changedFields: changed } })),
  ]);
  for (const [at, { id }] of [...pairs, ...neighbours].entries()) {
    const { row, history } = await storedAgent(world, id);
    const isMade = at === 0 || at >= pairs.length;
    expect([row.duration, row.version, history.length]).toEqual(isMade ? [31, 2, 2] : [30, 1, 1]);
  }
  const { rows } = await world.sql.query('SELECT key, agent_id FROM idempotency_key WHERE api_key_id = $1', [
    company.keyId,
  ]);
  expect(rows).toHaveLength(2);
  expect(rows).toEqual(expect.arrayContaining(keys.map((key, at) => ({ key, agent_id: pairs[at]?.id }))));
});

import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { longer, openDirectAgents, unchanged } from '../support/direct-agents.ts';
import { directCaller } from '../support/direct-caller.ts';
import { untilWaiting } from '../support/locks.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const newAgents = (count: number, companyId: string) =>
  Promise.all(Array.from({ length: count }, () => world.agent(companyId)));

const keptUnder = async (keyId: string) =>
  (await world.sql.query('SELECT key, agent_id FROM idempotency_key WHERE api_key_id = $1 ORDER BY key', [keyId])).rows;

const isChanged = { agent: { version: 2 }, changedFields: ['duration'] };

async function expectChangedOnce(ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const { row, history } = await storedAgent(world, id);
    expect([row.duration, row.version, history.length]).toEqual([31, 2, 2]);
  }
}

/** Changes of agents of one company, each with an Idempotency-Key of its own. */
function keyedChanges(
  { agents }: ReturnType<typeof openDirectAgents>,
  by: ReturnType<typeof directCaller>,
  ids: string[],
) {
  const changes = ids.toSorted().map((id) => ({ id, phoneNumberId: null, idempotency: { key: id, fingerprint: id } }));
  return changes.map((change) => agents.change(change, by, longer));
}

test('changes of two agents with one idempotency key in a batch: one is made, the other is refused, and the others are made in one statement', async () => {
  const { agents, repeated, batches } = openDirectAgents(world);
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const pairs = await newAgents(4, company.id);
  const neighbours = await newAgents(20, other.id);
  const keys = [randomUUID(), randomUUID()];

  // Calls of one turn of the event loop form one batch.
  const ends = await Promise.allSettled([
    ...pairs.map(({ id }, at) => {
      const idempotency = { key: keys[at % 2] ?? '', fingerprint: id };
      const draft = { id, phoneNumberId: null, idempotency };
      return agents.change(draft, directCaller(company), at % 2 ? unchanged : longer);
    }),
    ...neighbours.map(({ id }) => agents.change({ id, phoneNumberId: null }, directCaller(other), longer)),
  ]);
  const alone = '1 changes alone';
  expect({ batches, repeated }).toEqual({ batches: ['24 changes', alone, alone], repeated: [] });

  const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'IDEMPOTENCY_KEY_REUSED' }) };
  expect(ends).toMatchObject([
    { value: isChanged },
    { value: { agent: { version: 1 }, changedFields: [] } },
    ...[refused, refused],
    ...neighbours.map(() => ({ value: isChanged })),
  ]);
  for (const [at, { id }] of [...pairs, ...neighbours].entries()) {
    const { row, history } = await storedAgent(world, id);
    const isMade = at === 0 || at >= pairs.length;
    expect([row.duration, row.version, history.length]).toEqual(isMade ? [31, 2, 2] : [30, 1, 1]);
  }
  const kept = await keptUnder(company.keyId);
  expect(kept).toHaveLength(2);
  expect(kept).toEqual(expect.arrayContaining(keys.map((key, at) => ({ key, agent_id: pairs[at]?.id }))));
});

test('where another transaction stores an answer under a key of a batch, its change gets that answer, and all others are made together', async () => {
  const direct = openDirectAgents(world);
  const { agents, repeated, batches } = direct;
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const [{ id }, keyed, unkeyed] = await Promise.all([
    world.agent(company.id),
    newAgents(10, other.id),
    newAgents(10, other.id),
  ]);
  const change = { id, phoneNumberId: null };
  const first = await agents.change(
    { ...change, idempotency: { key: 'a', fingerprint: id } },
    directCaller(company),
    longer,
  );
  const holder = await world.sql.connect();
  onTestFinished(() => holder.release(true));
  await holder.query('BEGIN');
  await holder.query(
    `INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at)
     SELECT api_key_id, 'b', fingerprint, agent_id, agent, changed_fields, updated_at
       FROM idempotency_key WHERE api_key_id = $1`,
    [company.keyId],
  );
  const keyedIds = keyed.map((one) => one.id);
  const sent = Promise.all([
    agents.change({ ...change, idempotency: { key: 'b', fingerprint: id } }, directCaller(company), longer),
    ...keyedChanges(direct, directCaller(other), keyedIds),
    ...unkeyed.map((one) => agents.change({ id: one.id, phoneNumberId: null }, directCaller(other), longer)),
  ]);
  await untilWaiting(world);
  await holder.query('COMMIT');

  const [replayed, ...made] = await sent;
  expect({ batches, repeated }).toEqual({ batches: ['1 changes', '21 changes'], repeated: [] });
  expect(replayed).toEqual({ ...first, replayed: true });
  expect(made).toMatchObject([...keyed, ...unkeyed].map(() => isChanged));
  await expectChangedOnce([id, ...keyedIds, ...unkeyed.map((one) => one.id)]);
  expect(await keptUnder(company.keyId)).toEqual(['a', 'b'].map((key) => ({ key, agent_id: id })));
  expect(await keptUnder(other.keyId)).toEqual(keyedIds.toSorted().map((key) => ({ key, agent_id: key })));
});

test('where a key of a batch has an expired answer, changes without a key are made together, and those with one alone', async () => {
  const direct = openDirectAgents(world);
  const { agents, repeated, batches } = direct;
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const [{ id }, keyed, unkeyed] = await Promise.all([
    world.agent(company.id),
    newAgents(2, other.id),
    newAgents(10, other.id),
  ]);
  await world.sql.query(
    `INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at, created_at)
     SELECT $1, $2::text, '', id, '{}', '{}', updated_at, now() - interval '25 hours' FROM agent WHERE id = $2::uuid`,
    [company.keyId, id],
  );
  const keyedIds = keyed.map((one) => one.id);
  const made = await Promise.all([
    ...keyedChanges(direct, directCaller(company), [id]),
    ...keyedChanges(direct, directCaller(other), keyedIds),
    ...unkeyed.map((one) => agents.change({ id: one.id, phoneNumberId: null }, directCaller(other), longer)),
  ]);

  // The change under the key of the expired answer is tried a second time, after that answer was deleted.
  const alone = Array.from({ length: 4 }, () => '1 changes alone');
  expect({ batches, repeated }).toEqual({ batches: ['13 changes', ...alone], repeated: alone.map(() => 'undone') });
  expect(made).toMatchObject([{ id }, ...keyed, ...unkeyed].map(() => isChanged));
  await expectChangedOnce([id, ...keyedIds, ...unkeyed.map((one) => one.id)]);
  expect(await keptUnder(company.keyId)).toEqual([{ key: id, agent_id: id }]);
  expect(await keptUnder(other.keyId)).toEqual(keyedIds.toSorted().map((key) => ({ key, agent_id: key })));
});

import { expect, test } from 'vitest';
import { untilWaiting, whileLocked } from '../../support/locks.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { newKey, sendKeyed } from '../../support/retry.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ limits: 'patient' });

test('an agent that is erased while a patch that changes nothing is under way leaves no kept answer', async () => {
  const agent = await newSubject(world);
  const request = { line: `PATCH /agents/${agent.id}`, body: {} };
  const key = newKey();
  const insert = `INSERT INTO idempotency_key (api_key_id, key, fingerprint, changed_fields, updated_at)
                  VALUES ($1, $2, 'of another request', '{}', now())`;
  await whileLocked(world, insert, [agent.keyId, key], async (release) => {
    const waiting = sendKeyed(world, agent, request, key);
    await untilWaiting(world);
    await world.deleteAgent(agent.id);
    const purging = world.purgeAgent(agent.id);
    await Promise.race([purging, untilWaiting(world, 2)]);
    await release();
    expect((await waiting).status).toBe(200);
    expect(await purging).toEqual({ id: agent.id, versions: 1 });
  });
  const { rows } = await world.sql.query('SELECT agent FROM idempotency_key WHERE agent_id = $1', [agent.id]);
  expect(rows).toEqual([{ agent: null }]);
  const again = await sendKeyed(world, agent, request, key);
  expectProblem(again, { code: 'RESOURCE_NOT_FOUND', instance: `/agents/${agent.id}` });
});

import { expect, test } from 'vitest';
import { ApiError } from '../../src/http/problems.ts';
import { longer, openDirectAgents } from '../support/direct-agents.ts';
import { directCaller } from '../support/direct-caller.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('a batch that comes too late for its keys is repeated together: a key that has ended meanwhile is refused, all others write', async () => {
  const { agents, repeated, batches } = openDirectAgents(world);
  const company = await world.company();
  const made = await Promise.all(Array.from({ length: 20 }, () => world.agent(company.id)));
  const ended = 7;
  const ends = await Promise.allSettled(
    made.map(({ id }, at) => {
      const by = directCaller(company);
      const check = () => {
        if (at === ended) throw new ApiError('INVALID_API_KEY');
      };
      // PostgreSQL finds the lookup too old, whatever this process's clock says.
      const admission = { ...by.admission, databaseTime: 0, check };
      return agents.change({ id, phoneNumberId: null }, { ...by, admission }, longer);
    }),
  );
  expect({ batches, repeated }).toEqual({ batches: ['20 changes'], repeated: [] });
  const stored = await Promise.all(made.map(({ id }) => storedAgent(world, id)));
  const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'INVALID_API_KEY' }) };
  expect(ends).toMatchObject(
    stored.map(({ row }, at) => {
      if (at === ended) return refused;
      const updatedAt = new Date(String(row.updated_at));
      return { value: { agent: { id: row.id, version: 2, updatedAt }, changedFields: ['duration'] } };
    }),
  );
  for (const [at, { row, history }] of stored.entries()) {
    expect([row.duration, row.version, history.length]).toEqual(at === ended ? [30, 1, 1] : [31, 2, 2]);
  }
});

import { expect, test } from 'vitest';
import { untilWaiting } from '../../support/locks.ts';
import { changedFieldsIn, expectAgent, newSubject } from '../../support/patch-agent.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const requests = {
  'a dry run': { query: '?dryRun=true', headers: {} },
  'a restore under If-Match': { query: '', headers: { 'if-match': '"2"' } },
};

test.for(Object.entries(requests))(
  'a restore of a version that was written after the request began finds nothing to change: %s',
  async ([, { query, headers }]) => {
    const agent = await newSubject(world);
    const another = await world.sql.connect();
    try {
      // The request has read the agent at version 1 and waits for the history.
      await another.query('BEGIN');
      await another.query('LOCK TABLE agent_version IN ACCESS EXCLUSIVE MODE');
      const answer = world.call(agent.key, `POST /agents/${agent.id}/versions/2/restore${query}`, { headers });
      await untilWaiting(world);
      await another.query(`UPDATE agent SET name = 'Second', version = 2 WHERE id = $1`, [agent.id]);
      await another.query(
        `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator)
         SELECT agent_id, 2, created_at, jsonb_set(snapshot, '{name}', '"Second"'), '{name}', 'tester'
           FROM agent_version WHERE agent_id = $1`,
        [agent.id],
      );
      await another.query('COMMIT');
      expectAgent(await answer, (await storedAgent(world, agent.id)).row);
      expect(changedFieldsIn(await answer)).toEqual([]);
    } finally {
      another.release(true);
    }
  },
);

import type pg from 'pg';
import { expect, test } from 'vitest';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { untilWaiting } from '../../support/locks.ts';
import { changedFieldsIn, expectAgent, newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const requests = {
  'a dry run': { query: '?dryRun=true', headers: {} },
  'a restore under If-Match': { query: '', headers: { 'if-match': '"2"' } },
};

/** Writes version 2 of an agent, with another name. */
async function writeSecond(client: pg.ClientBase, id: string): Promise<void> {
  await client.query(`UPDATE agent SET name = 'Second', version = 2 WHERE id = $1`, [id]);
  await client.query(
    `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator)
     SELECT agent_id, 2, created_at, jsonb_set(snapshot, '{name}', '"Second"'), '{name}', 'tester'
       FROM agent_version WHERE agent_id = $1`,
    [id],
  );
}

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
      await writeSecond(another, agent.id);
      await another.query('COMMIT');
      expectAgent(await answer, (await storedAgent(world, agent.id)).row);
      expect(changedFieldsIn(await answer)).toEqual([]);
    } finally {
      another.release(true);
    }
  },
);

test('a restore of a version that is written after the history was read is told that there was none, not that it was pruned', async () => {
  const agent = await newSubject(world);
  const another = await world.sql.connect();
  try {
    // The request has found no version 2 and waits for an answer that may be kept under its Idempotency-Key.
    await another.query('BEGIN');
    await another.query('LOCK TABLE idempotency_key IN ACCESS EXCLUSIVE MODE');
    const instance = `/agents/${agent.id}/versions/2/restore`;
    const answer = world.call(agent.key, `POST ${instance}`, { headers: { 'idempotency-key': 'restore' } });
    await untilWaiting(world);
    await writeSecond(another, agent.id);
    await another.query('COMMIT');
    const detail = problemTexts.versionToCome(2, 1);
    expectProblem(await answer, { code: 'RESOURCE_NOT_FOUND', instance, detail });
  } finally {
    another.release(true);
  }
});

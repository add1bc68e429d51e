import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import { heldStatements } from '../../support/held-statements.ts';
import { changedFieldsIn, expectAgent, newSubject, type Subject } from '../../support/patch-agent.ts';
import { asColumns, snapshotOf, storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** Changes that are decided on version 2 of an agent, and the fields that they give the other version 2. */
const body = { duration: 45, metadata: { added: 1 } };
const patch = { method: 'PATCH', path: '', body, headers: {}, fields: body, restoredFrom: null };
const changes = {
  patch,
  'patch under If-Match': { ...patch, headers: { 'if-match': '"2"' } },
  'patch with an Idempotency-Key': { ...patch, headers: { 'idempotency-key': randomUUID() } },
  restore: {
    ...{ method: 'POST', path: '/versions/1/restore', body: undefined, headers: {} },
    ...{ fields: { language: 'EN' }, restoredFrom: 1 },
  },
};

/**
 * Makes version 2 of an agent another change, a millisecond later than the one that requests have read: as in a database that
 * lost its last commit in a failover, and has been written since.
 */
async function replaceSecond({ id }: Subject): Promise<void> {
  const other = { name: 'Fresh agent', language: 'DE', metadata: {} };
  const owner = await world.sql.connect();
  try {
    // Without triggers: history never changes otherwise.
    await owner.query('BEGIN; SET LOCAL session_replication_role = replica');
    await owner.query(
      `UPDATE agent SET name = $2, language = $3, metadata = $4, updated_at = updated_at + interval '1 millisecond'
        WHERE id = $1`,
      [id, other.name, other.language, other.metadata],
    );
    await owner.query(
      `UPDATE agent_version SET snapshot = snapshot || $2, changed_fields = '{language}',
              created_at = created_at + interval '1 millisecond' WHERE agent_id = $1 AND version = 2`,
      [id, other],
    );
    await owner.query('COMMIT');
  } finally {
    owner.release(true);
  }
}

test.for(Object.entries(changes))(
  'a change that was decided on a row that a failover lost is not written over the row that has its version now: %s',
  async ([, { method, path, body, headers, fields, restoredFrom }]) => {
    const agent = await newSubject(world);
    const { id, key, keyId } = agent;
    await world.patch(key, id, { name: 'Lost', metadata: { lost: true } });
    const requestId = randomUUID();
    const line = `${method} /agents/${id}${path}`;
    const sent = { body, headers: { ...headers, 'x-request-id': requestId } };
    // The change is decided; its statement is held until the row is another one.
    const { hold, onStatement } = heldStatements();
    const { origin } = await openAnotherServer(world, { onStatement });
    const write = hold((sql) => sql.includes('UPDATE agent a SET'));
    const sending = callsOf(origin).call(key, line, sent);
    await write.reached();
    await replaceSecond(agent);
    const before = await storedAgent(world, id);
    expect(before.row).toMatchObject({ version: 2, name: 'Fresh agent', language: 'DE', metadata: {} });
    write.release();
    const answer = await sending;

    const after = await storedAgent(world, id);
    const updatedAt = new Date(String(after.row.updated_at));
    expect(after.row).toEqual({ ...before.row, ...asColumns(fields), version: 3, updated_at: after.row.updated_at });
    expectAgent(answer, after.row);
    const changedFields = Object.keys(fields).toSorted();
    expect(changedFieldsIn(answer).toSorted()).toEqual(changedFields);
    const snapshot = snapshotOf(after.row);
    const entry = { version: 3, createdAt: updatedAt, snapshot, changedFields, keyId, requestId, restoredFrom };
    expect(after.history).toEqual([...before.history, entry]);
    if ('idempotency-key' in headers) {
      const again = await world.call(key, line, sent);
      expect(again).toMatchObject({ status: 200, text: answer.text, headers: { 'idempotent-replayed': 'true' } });
      expect(await storedAgent(world, id)).toEqual(after);
    }
  },
);

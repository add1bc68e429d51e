import { expect, test } from 'vitest';
import { type AgentField, answeredFields, initialContent } from '../../../src/agents/fields.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** What SQL stored as version 1 or as members of it, and the fields that are shown with their initial values. */
const snapshots: readonly (readonly [snapshot: unknown, ...replaced: readonly AgentField[]])[] = [
  [null, ...answeredFields],
  ['duration', ...answeredFields],
  [[1], ...answeredFields],
  [{ duration: 'long' }, 'duration'],
  [{ duration: 1.5 }, 'duration'],
  [{ duration: 10_000_000_000 }, 'duration'],
  [{ name: null }, 'name'],
  [{ name: { first: 'A' } }, 'name'],
  [{ metadata: null }, 'metadata'],
  [{ metadata: [1] }, 'metadata'],
  [{ questions: null }, 'questions'],
  [{ questions: { a: 1 } }, 'questions'],
  [{ companyPhoneNumberId: 'no uuid' }],
];

test.for(snapshots)(
  'a version that SQL stored with %j can be read, compared and restored',
  async ([snapshot, ...replaced]) => {
    const { id, key } = await newSubject(world);
    const created = Object((await world.call(key, `GET /agents/${id}`)).body);
    const { updatedAt } = Object((await world.patch(key, id, { duration: 99 })).body);
    const change = `UPDATE agent_version
                       SET snapshot = CASE jsonb_typeof($2::jsonb) WHEN 'object' THEN snapshot || $2::jsonb ELSE $2::jsonb END
                     WHERE agent_id = $1 AND version = 1`;
    const client = await world.sql.connect();
    await client.query('BEGIN');
    await client.query('SET LOCAL session_replication_role = replica');
    await client.query(change, [id, JSON.stringify(snapshot)]);
    await client.query('COMMIT');
    client.release();

    const shown = { ...created, ...Object.fromEntries(replaced.map((name) => [name, initialContent[name]])) };
    const read = await world.call(key, `GET /agents/${id}/versions/1`);
    expect([read.status, read.body]).toEqual([200, { ...shown, companyPhoneNumberId: null }]);
    const compared = await world.call(key, `GET /agents/${id}/versions/1/diff`);
    const duration = { field: 'duration', before: shown.duration, after: 99 };
    expect([compared.status, Object(compared.body).changes]).toEqual([200, expect.arrayContaining([duration])]);
    const restored = await world.call(key, `POST /agents/${id}/versions/1/restore`);
    const at = Object(restored.body).updatedAt;
    expect(at > updatedAt).toBe(true);
    expect([restored.status, restored.body]).toEqual([200, { ...shown, updatedAt: at }]);
    const { name, metadata, questions } = shown;
    const columns = { version: 3, name, metadata, questions, duration: shown.duration, company_phone_number_id: null };
    expect(JSON.parse(await world.row(id))).toMatchObject(columns);
  },
);

import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { agentFields, initialContent } from '../../src/agents/fields.ts';
import type { Schemas } from './client.ts';
import type { Answer } from './http.ts';
import { type ExpectedProblem, expectProblem } from './problem.ts';
import { answerOf, snapshotOf, storedAgent } from './stored-agent.ts';
import type { World } from './world.ts';

/** A company and one of its keys. */
interface Owner {
  readonly id: string;
  readonly key: string;
  readonly keyId: string;
}

/**
 * Makes an agent: compares the whole answer, row and history with what was sent.
 * @param stored fields that are stored in another form than they were sent
 */
export async function expectCreated(
  world: World,
  owner: Owner,
  fields: Schemas['AgentDraft'],
  stored: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const requestId = randomUUID();
  const answer = await world.client(owner.key).create(fields, { header: { 'X-Request-Id': requestId } });
  const { id } = answer.data;
  const { row, history } = await storedAgent(world, id);
  const createdAt = new Date(String(row.created_at));
  const { etag, location, 'agent-phone-number-id': number, 'content-type': type } = answer.headers;

  expect({ ...snapshotOf(row), companyId: row.company_id }).toEqual({
    ...{ ...initialContent, ...fields, ...stored },
    companyId: owner.id,
  });
  expect(row).toMatchObject({ version: 1, updated_at: row.created_at, deleted_at: null });
  expect({ status: answer.status, body: answer.body, etag, location, number, type }).toEqual({
    status: 201,
    body: answerOf(row),
    etag: '"1"',
    location: `/agents/${id}`,
    number: row.company_phone_number_id ?? undefined,
    type: 'application/json; charset=utf-8',
  });
  const entry = { version: 1, createdAt, snapshot: snapshotOf(row), changedFields: agentFields.toSorted() };
  expect(history).toEqual([{ ...entry, keyId: owner.keyId, requestId, restoredFrom: null }]);
  return id;
}

/** Checks that the request of `send` is refused and creates nothing. */
export async function expectNotCreated(
  world: World,
  { id }: Pick<Owner, 'id'>,
  send: () => Promise<Answer>,
  problem: Omit<ExpectedProblem, 'instance'>,
): Promise<void> {
  expectProblem(await send(), { instance: '/agents', ...problem });
  const { rows } = await world.sql.query('SELECT id FROM agent WHERE company_id = $1', [id]);
  expect(rows).toEqual([]);
}

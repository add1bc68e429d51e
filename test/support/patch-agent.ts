import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { AgentDraft } from '../../src/agents/schema.ts';
import { fullFields } from './fields.ts';
import type { Answer, Sent } from './http.ts';
import { type ExpectedProblem, expectProblem } from './problem.ts';
import { answerOf, asColumns, snapshotOf, storedAgent } from './stored-agent.ts';
import type { World } from './world.ts';

/** An agent and a key of its company. */
export interface Subject {
  readonly id: string;
  readonly companyId: string;
  readonly key: string;
  readonly keyId: string;
}

/** A new company with one agent. */
export async function newSubject(world: World, fields: Partial<AgentDraft> = {}): Promise<Subject> {
  const { id: companyId, key, keyId } = await world.company();
  const { id } = await world.agent(companyId, fields);
  return { id, companyId, key, keyId };
}

/** A new company with an agent that has a value in every field, phone number included. */
export async function fullAgent(world: World): Promise<Subject> {
  const agent = await newSubject(world, fullFields);
  const companyPhoneNumberId = await world.phoneNumber(agent.companyId);
  await world.client(agent.key).patch(agent.id, { companyPhoneNumberId });
  return agent;
}

/** Sends a PATCH with a body as it is, as JSON unless the headers say otherwise. */
export function sendText(
  world: World,
  { id, key }: Pick<Subject, 'id' | 'key'>,
  body: string | Buffer,
  headers: Sent['headers'] = {},
): Promise<Answer> {
  const usual = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return world.send({ path: `/agents/${id}`, headers: { ...usual, ...headers }, body });
}

/**
 * Changes `fields` and nothing else: compares the whole answer, the whole row and the whole history.
 * @param body a string is sent as it is
 */
export async function expectChange(
  world: World,
  { id, key, keyId }: Subject,
  body: unknown,
  fields: Readonly<Record<string, unknown>>,
): Promise<void> {
  const before = await storedAgent(world, id);
  const requestId = randomUUID();
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await sendText(world, { id, key }, text, { 'x-request-id': requestId });
  const after = await storedAgent(world, id);
  const version = Number(before.row.version) + 1;
  const updatedAt = new Date(String(after.row.updated_at));

  expect(after.row).toEqual({ ...before.row, ...asColumns(fields), version, updated_at: after.row.updated_at });
  expect(updatedAt.getTime()).toBeGreaterThan(new Date(String(before.row.updated_at)).getTime());
  expectAgent(answer, after.row);
  expect(changedFieldsIn(answer).toSorted()).toEqual(Object.keys(fields).toSorted());
  expect(answer.headers['x-request-id']).toBe(requestId);
  const entry = {
    version,
    createdAt: updatedAt,
    snapshot: snapshotOf(after.row),
    keyId,
    requestId,
    restoredFrom: null,
  };
  expect(after.history).toEqual([...before.history, { ...entry, changedFields: Object.keys(fields).toSorted() }]);
}

/** Checks that a request is answered 200 with the stored agent, and that nothing is written. */
export async function expectNoChange(world: World, { id, key }: Subject, body: unknown): Promise<void> {
  const before = await storedAgent(world, id);
  const answer = await world.patch(key, id, body);
  expectAgent(answer, before.row);
  expect(answer.headers['changed-fields']).toBe('');
  expect(await storedAgent(world, id)).toEqual(before);
}

/** Checks that the request of `send` is refused and that nothing is written. */
export async function expectRefusal(
  world: World,
  id: string,
  send: () => Promise<Answer>,
  problem: Omit<ExpectedProblem, 'instance'> & Partial<ExpectedProblem>,
): Promise<Answer> {
  const before = await storedAgent(world, id);
  const answer = await send();
  expectProblem(answer, { instance: `/agents/${id}`, ...problem });
  expect(await storedAgent(world, id)).toEqual(before);
  return answer;
}

/** The names in the Changed-Fields header of an answer. */
export const changedFieldsIn = ({ headers }: Answer) =>
  String(headers['changed-fields'])
    .split(', ')
    .filter((name) => name !== '');

/** A whole 200 answer about a row: body, entity tag, number, media type. */
export function expectAgent({ status, body, headers }: Answer, row: Readonly<Record<string, unknown>>): void {
  const { etag, 'agent-phone-number-id': number, 'content-type': type } = headers;
  expect({ status, body, etag, number, type }).toEqual({
    status: 200,
    body: answerOf(row),
    etag: `"${row.version}"`,
    number: row.company_phone_number_id ?? undefined,
    type: 'application/json; charset=utf-8',
  });
}

import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { fullFields } from './fields.ts';
import type { Answer, Sent } from './http.ts';
import { newSubject, type Subject } from './patch-agent.ts';
import type { World } from './world.ts';

/** A request that takes an Idempotency-Key: its first line, its body, its headers. */
export interface Retriable {
  readonly line: string;
  readonly body?: object;
  readonly headers?: Sent['headers'];
}

export const newKey = () => randomUUID();

/** $1 id of the API key, $2 idempotency key, $3 id of an agent: keeps an answer, as another request with that key does. */
export const insertKeptAnswer = `
  INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at)
  SELECT $1, $2, 'of another request', a.id,
         json_build_object('id', a.id, 'companyId', a.company_id, 'version', a.version, 'createdAt', a.created_at), '{}', now()
    FROM agent a WHERE a.id = $3`;

/** Sends a request with an Idempotency-Key. */
export function sendKeyed(
  world: World,
  { key }: Pick<Subject, 'key'>,
  { line, body, headers = {} }: Retriable,
  idempotencyKey: string,
): Promise<Answer> {
  return world.call(key, line, { body, headers: { ...headers, 'idempotency-key': idempotencyKey } });
}

/** Checks that an answer repeats another: the same bytes and headers, except those of the request itself. */
export function expectReplay(repeated: Answer, first: Answer): void {
  const { 'idempotent-replayed': replayed, ...headers } = ofTheAnswer(repeated);
  expect(replayed).toBe('true');
  expect({ status: repeated.status, text: repeated.text, headers }).toEqual({
    status: first.status,
    text: first.text,
    headers: ofTheAnswer(first),
  });
}

function ofTheAnswer({ headers }: Answer) {
  const ofTheRequest = /^(date|x-request-id|x-ratelimit-.*)$/;
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofTheRequest.test(name)));
}

/** All rows of a company's agents, their history and the kept answers about them, as text. */
export async function everythingOf(world: World, companyId: string): Promise<unknown[]> {
  const { rows } = await world.sql.query(
    `SELECT a::text AS agent,
            (SELECT array_agg(v::text ORDER BY v.version) FROM agent_version v WHERE v.agent_id = a.id) AS history,
            (SELECT array_agg(k::text ORDER BY k.key) FROM idempotency_key k WHERE k.agent_id = a.id) AS answers
       FROM agent a WHERE a.company_id = $1 ORDER BY a.id`,
    [companyId],
  );
  return rows;
}

/** An agent at version 2 whose metadata is not in the order in which a database would sort it. */
export async function agentAtTwo(world: World): Promise<Subject> {
  const agent = await newSubject(world, fullFields);
  const change = { name: 'Second', metadata: { zebra: 1, ant: { z: 1, a: [2] } } };
  expect(await world.patch(agent.key, agent.id, change)).toMatchObject({ status: 200, headers: { etag: '"2"' } });
  return agent;
}

/** One request of each kind that takes an Idempotency-Key, for an agent of `agentAtTwo`. */
export const retriables: Readonly<Record<string, (agent: Subject, number: string) => Retriable>> = {
  'a patch': ({ id }) => ({
    line: `PATCH /agents/${id}`,
    body: { name: 'Third', metadata: { yak: [1, { b: -0, a: 1e-7 }], ant: null, bee: 'ü\u2028' } },
  }),
  'a patch under If-Match': ({ id }) => ({
    line: `PATCH /agents/${id}`,
    body: { duration: 46 },
    headers: { 'if-match': '"2"' },
  }),
  'a patch of the number': ({ id }, number) => ({
    line: `PATCH /agents/${id}`,
    body: { type: 'PHONE', companyPhoneNumberId: number },
  }),
  'a patch that changes nothing': ({ id }) => ({ line: `PATCH /agents/${id}`, body: { name: 'Second' } }),
  'a restore': ({ id }) => ({ line: `POST /agents/${id}/versions/1/restore` }),
  'a restore that changes nothing': ({ id }) => ({ line: `POST /agents/${id}/versions/2/restore` }),
  'a creation': (_, number) => ({
    line: 'POST /agents',
    body: {
      ...{ name: 'New', type: 'PHONE', focus: 'SCREENING', language: 'FI', duration: 20 },
      ...{ companyPhoneNumberId: number, metadata: { zebra: 1, ant: 2, bee: [{ z: 1, a: 2 }] } },
    },
  }),
};

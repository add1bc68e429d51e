import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { Client, Schemas } from './client.ts';
import type { Answer } from './http.ts';
import { fullFields, newSubject, type Subject } from './patch-agent.ts';
import type { World } from './world.ts';

/** A request that may be sent again: its path, and how a client sends it. */
export interface Retriable {
  readonly path: string;
  readonly send: (api: Client, header: { readonly 'Idempotency-Key': string }) => Promise<Answer>;
}

/** Beside the Idempotency-Key. */
interface Parameters {
  readonly query?: { readonly companyId?: string; readonly dryRun?: boolean };
  readonly header?: { readonly 'If-Match'?: string };
}

export const patchOf = (
  id: string,
  body: Schemas['AgentPatch'],
  { query = {}, header = {} }: Parameters = {},
): Retriable => ({
  path: `/agents/${id}`,
  send: (api, key) => api.patch(id, body, { query, header: { ...header, ...key } }),
});

export const restoreOf = (id: string, version: number, { query = {} }: Parameters = {}): Retriable => ({
  path: `/agents/${id}/versions/${version}/restore`,
  send: (api, header) => api.restore(id, version, { query, header }),
});

export const creationOf = (body: Schemas['AgentDraft']): Retriable => ({
  path: '/agents',
  send: (api, header) => api.create(body, { header }),
});

export const newKey = () => randomUUID();

/** Sends a request with an Idempotency-Key. */
export function sendKeyed(
  world: World,
  { key }: Pick<Subject, 'key'>,
  { send }: Retriable,
  idempotencyKey: string,
): Promise<Answer> {
  return send(world.client(key), { 'Idempotency-Key': idempotencyKey });
}

/** One answer repeats another: the same bytes and headers, but for what is said of each request. */
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

/** All that a company has: its agents, their history, and what was answered about them, as text. */
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

/** An agent at version 2, whose metadata is not in the order in which a database would sort it. */
export async function agentAtTwo(world: World): Promise<Subject> {
  const agent = await newSubject(world, fullFields);
  await world.client(agent.key).patch(agent.id, { name: 'Second', metadata: { zebra: 1, ant: { z: 1, a: [2] } } });
  return agent;
}

/** One request of each kind that takes an Idempotency-Key, for an agent of `agentAtTwo`. */
export const retriables: Readonly<Record<string, (agent: Subject, number: string) => Retriable>> = {
  'a patch': ({ id }) =>
    patchOf(id, { name: 'Third', metadata: { yak: [1, { b: -0, a: 1e-7 }], ant: null, bee: 'ü\u2028' } }),
  'a patch under If-Match': ({ id }) => patchOf(id, { duration: 46 }, { header: { 'If-Match': '"2"' } }),
  'a patch of the number': ({ id }, number) => patchOf(id, { type: 'PHONE', companyPhoneNumberId: number }),
  'a patch that changes nothing': ({ id }) => patchOf(id, { name: 'Second' }),
  'a restore': ({ id }) => restoreOf(id, 1),
  'a restore that changes nothing': ({ id }) => restoreOf(id, 2),
  'a creation': (_, number) =>
    creationOf({
      ...{ name: 'New', type: 'PHONE', focus: 'SCREENING', language: 'FI', duration: 20 },
      ...{ companyPhoneNumberId: number, metadata: { zebra: 1, ant: 2, bee: [{ z: 1, a: 2 }] } },
    }),
};

import { deepStrictEqual } from 'node:assert';
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { storedSql } from './contestants/statements.ts';
import { exampleBodies } from './requests.ts';

/** An agent, and a key that may change it. */
export interface Target {
  readonly agent: string;
  readonly key: string;
}

/** What a contestant answered to the same requests, and what it left in the database. */
export type Conduct = readonly unknown[];

/**
 * Sends a contestant one request after the other: the four kinds of the load, and some that it has to refuse.
 * @param other an agent that the key must not change
 * @param client undefined for a contestant that stores nothing
 */
export async function conductOf(
  port: number,
  { agent, key }: Target,
  other: string,
  client: pg.Client | undefined,
): Promise<Conduct> {
  const send = (id: string, body: string, authorization = `Bearer ${key}`) => patch(port, id, authorization, body);
  const answers: unknown[] = [];
  for (const body of exampleBodies()) answers.push(await send(agent, body));
  answers.push(await send(agent, '{"duration":500,"questions":"none","nmae":"x","metadata":{"a":null}}'));
  answers.push(await send('not-an-id', '{"duration":20}'));
  answers.push(await send(agent, '{"duration":20}', ''));
  answers.push(await send(agent, '{"duration":20}', `Bearer sk_${'x'.repeat(43)}`));
  if (!client) return answers;
  answers.push(await send(other, '{"duration":20}'));
  answers.push(await send(absent, '{"duration":20}'));
  const { rows } = await client.query<{ row: string; history: string }>(storedSql, [agent]);
  return [...answers, ...rows];
}

const absent = randomUUID();

/** An answer, without what differs from run to run. */
async function patch(port: number, id: string, authorization: string, body: string): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${port}/agents/${id}`, {
    method: 'PATCH',
    headers: { authorization, 'content-type': 'application/json' },
    body,
  });
  const content: unknown = await answer.json();
  const { updatedAt, requestId, ...rest }: Record<string, unknown> = { ...Object(content) };
  const strange = typeof (answer.ok ? updatedAt : requestId) !== 'string';
  if (strange) throw new Error(`${answer.status} without its time or request id: ${JSON.stringify(content)}`);
  return { status: answer.status, etag: answer.headers.get('etag'), ...rest };
}

/** @throws Error that shows the difference */
export function requireEqual(contestant: string, conduct: Conduct, other: string, otherConduct: Conduct): void {
  deepStrictEqual(conduct, otherConduct, `${contestant} does not do the same as ${other}`);
}

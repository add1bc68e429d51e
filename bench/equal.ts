import { deepStrictEqual } from 'node:assert';
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { storedSql } from './contestants/statements.ts';
import { exampleBodies } from './requests.ts';

/** The path of an agent, and a key that may change it. */
export interface Target {
  readonly path: string;
  readonly key: string;
}

/** The answers of a contestant to the same requests, and the rows that it stored. */
export type Behaviour = readonly unknown[];

interface Scope {
  readonly client: pg.Client;
  /** Whether it answers reads as well as changes. */
  readonly reads: boolean;
}

/**
 * Sends a contestant one request after the other: the four kinds of the load, and some that it must refuse.
 * @param other the path of an agent that the key must not change or read
 */
export async function behaviourOf(
  port: number,
  { path, key }: Target,
  other: string,
  { client, reads }: Scope,
): Promise<Behaviour> {
  const send = (to: string, body: string | undefined, authorization = `Bearer ${key}`) =>
    answerTo(`http://127.0.0.1:${port}${to}`, authorization, body);
  const answers: unknown[] = [];
  for (const body of exampleBodies()) answers.push(await send(path, body));
  answers.push(await send(path, '{"duration":500,"questions":"none","nmae":"x","metadata":{"a":null}}'));
  for (const body of ['{"duration":20}', ...(reads ? [undefined] : [])]) {
    answers.push(await send('/agents/not-an-id', body));
    answers.push(await send(path, body, ''));
    answers.push(await send(path, body, `Bearer sk_${'x'.repeat(43)}`));
    answers.push(await send(other, body));
    answers.push(await send(`/agents/${absent}`, body));
  }
  if (reads) answers.push(await send(path, undefined));
  const id = path.slice('/agents/'.length);
  const { rows } = await client.query<{ row: string; history: string }>(storedSql, [id]);
  return [...answers, ...rows];
}

const absent = randomUUID();

/**
 * An answer without values that differ from run to run.
 * @param body of a PATCH; undefined for a GET
 */
async function answerTo(url: string, authorization: string, body: string | undefined): Promise<unknown> {
  const answer = await fetch(url, {
    method: body === undefined ? 'GET' : 'PATCH',
    headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body }),
  });
  const content: unknown = await answer.json();
  const { updatedAt, requestId, ...rest }: Record<string, unknown> = { ...Object(content) };
  const strange = typeof (answer.ok ? updatedAt : requestId) !== 'string';
  if (strange) throw new Error(`${answer.status} without its time or request id: ${JSON.stringify(content)}`);
  return { status: answer.status, etag: answer.headers.get('etag'), ...rest };
}

/** @throws Error that shows the difference */
export function requireEqual(contestant: string, behaviour: Behaviour, other: string, otherBehaviour: Behaviour): void {
  deepStrictEqual(behaviour, otherBehaviour, `${contestant} does not do the same as ${other}`);
}

import { randomInt } from 'node:crypto';
import { expect } from 'vitest';
import type { Answer } from '../../support/http.ts';
import type { Call } from '../../support/kept-client.ts';
import { answerOf, answerOfVersion, storedAgent, versionIn } from '../../support/stored-agent.ts';
import type { World } from '../../support/world.ts';

/** An acknowledged request. Its request id is also its Idempotency-Key. */
export interface Acknowledged {
  readonly requestId: string;
  readonly call: Call;
  readonly answer: Answer;
  /** The number of times that it was sent. */
  readonly times: number;
}

/** The next request of a client: mostly a change of a metadata key of its own in some agent, sometimes a creation. */
export function nextCall(ids: readonly string[], name: string, count: number): Call {
  if (count % 10 === 9) {
    const body = { name: `${name} ${count}`, type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
    return { line: 'POST /agents', body };
  }
  return { line: `PATCH /agents/${ids[randomInt(ids.length)]}`, body: { metadata: { [name]: count } } };
}

/**
 * Every answer is a version of its agent, and every version except the operator's is one answer: nothing is lost or
 * applied twice.
 */
export async function expectExactlyOnce(
  world: Pick<World, 'sql' | 'row' | 'history'>,
  companyId: string,
  acknowledged: readonly Acknowledged[],
): Promise<void> {
  const { rows } = await world.sql.query('SELECT id FROM agent WHERE company_id = $1', [companyId]);
  const stored = new Map(await Promise.all(rows.map(async ({ id }) => [id, await storedAgent(world, id)] as const)));
  const claimed = new Map<string | null | undefined, string>();
  for (const { requestId, answer } of acknowledged) {
    const agent = stored.get(Object(answer.body).id);
    if (!agent) throw new Error(`an acknowledged agent is lost: ${answer.text}`);
    const version = versionIn(answer);
    expect(answer.status).toBe(version === 1 ? 201 : 200);
    expect(answer.body).toEqual(answerOfVersion(agent, version));
    expect(agent.history[version - 1]).toMatchObject({ version, requestId });
    claimed.set(requestId, `${Object(answer.body).id} ${version}`);
  }
  for (const { row, history } of stored.values()) {
    expect(history.map(({ version }) => version)).toEqual(history.map((_, at) => at + 1));
    expect(answerOf(row)).toEqual(answerOfVersion({ row, history, text: '' }, history.length));
    const byRequest = history.filter(({ keyId }) => keyId !== null);
    expect(byRequest.map(({ requestId }) => claimed.get(requestId))).toEqual(
      byRequest.map(({ version }) => `${row.id} ${version}`),
    );
  }
}

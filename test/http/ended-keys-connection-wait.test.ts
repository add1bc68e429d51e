import { expect, test } from 'vitest';
import { singleLookupSql } from '../../src/auth/lookup.statements.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { ends, expectEnded, newAtsSubject, storedOf } from '../support/ended-keys.ts';
import { draft } from '../support/endpoints.ts';
import type { Answer } from '../support/http.ts';
import { untilOutdated } from '../support/slow-body.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const writes: Readonly<
  Record<string, (id: string) => { line: string; body?: object; headers?: Record<string, string> }>
> = {
  PATCH: (id) => ({ line: `PATCH /agents/${id}`, body: { name: 'Too late' } }),
  'PATCH with a key': (id) => ({ line: `PATCH /agents/${id}`, body: {}, headers: { 'idempotency-key': 'late' } }),
  POST: () => ({ line: 'POST /agents', body: draft }),
  'POST with a key': () => ({ line: 'POST /agents', body: draft, headers: { 'idempotency-key': 'late' } }),
  DELETE: (id) => ({ line: `DELETE /agents/${id}` }),
};

/** Sends a request whose write waits for more than a second for the server's only connection. */
async function sendBehind(
  { id, key, query }: Awaited<ReturnType<typeof newAtsSubject>>,
  request: (typeof writes)[string],
  meanwhile: () => Promise<unknown>,
): Promise<Answer> {
  let holding: Promise<void> | undefined;
  const { origin, database } = await openAnotherServer(world, {
    connections: 1,
    onStatement(sql) {
      // Takes the connection after the lookup and before the write.
      if (sql !== singleLookupSql || holding) return;
      holding = database.transaction(async () => {
        await untilOutdated(performance.now());
        await meanwhile();
      });
    },
  });
  const { line, ...rest } = request(id);
  const answer = await callsOf(origin).call(key, line + query, rest);
  await holding;
  return answer;
}

test('a key that ends while its write waits for a connection writes nothing, whatever it writes', async () => {
  const { revoked } = ends;
  const ended = Object.values(writes).map(async (request) => {
    const subject = await newAtsSubject(world);
    const before = await storedOf(world, subject.companyId);
    const answer = await sendBehind(subject, request, async () => revoked?.end(world, subject.keyId));
    expectEnded(answer, revoked?.code ?? 'INTERNAL_ERROR', request(subject.id).line);
    expect(await storedOf(world, subject.companyId)).toEqual(before);
  });
  await Promise.all(ended);
});

test('a key that is still valid writes after a long wait for a connection, whatever it writes', async () => {
  const statuses = Object.values(writes).map(async (request) => {
    const subject = await newAtsSubject(world);
    return (await sendBehind(subject, request, async () => {})).status;
  });
  expect(await Promise.all(statuses)).toEqual([200, 200, 201, 201, 204]);
});

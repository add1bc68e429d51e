import { expect, inject, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { ends, expectEnded, newAtsSubject, storedOf } from '../support/ended-keys.ts';
import type { Answer } from '../support/http.ts';
import { untilWaiting, whileAgentLocked } from '../support/locks.ts';
import { untilOutdated } from '../support/slow-body.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
// The wait for a row lock must be longer than the second after which a key is looked up again.
await world.sql.query(
  `ALTER ROLE ${inject('serverRole')} IN DATABASE ${new URL(world.ownerUrl).pathname.slice(1)} SET lock_timeout = '5s'`,
);

const waiting: Readonly<Record<string, (id: string) => { line: string; body?: object }>> = {
  PATCH: (id) => ({ line: `PATCH /agents/${id}`, body: { name: 'Too late' } }),
  restore: (id) => ({ line: `POST /agents/${id}/versions/1/restore` }),
  DELETE: (id) => ({ line: `DELETE /agents/${id}` }),
};

/** Sends a request for an agent whose row stays locked until the request has waited for more than a second. */
async function sendHeld(
  { id, key, query }: Awaited<ReturnType<typeof newAtsSubject>>,
  { line, body }: { readonly line: string; readonly body?: object },
  meanwhile: () => Promise<unknown>,
): Promise<Answer> {
  // With one connection the second lookup has to use the connection that waits for the lock.
  const { origin } = await openAnotherServer(world, { connections: 1 });
  return await whileAgentLocked(world, id, async (release) => {
    const answer = callsOf(origin).call(key, line + query, { body });
    await untilWaiting(world);
    await untilOutdated(performance.now());
    await meanwhile();
    await release();
    return await answer;
  });
}

test.for(Object.entries(waiting))(
  '%s: a key that ends while its request waits for a row lock writes nothing',
  async ([, request]) => {
    const tried = [ends['revoked'], ends['expired'], ends['without its grant']];
    for (const { end, code } of tried.filter((one) => one !== undefined)) {
      const subject = await newAtsSubject(world);
      await world.patch(subject.key, subject.id, { name: 'Before' }, { query: subject.query });
      const { line, body } = request(subject.id);
      const before = await storedOf(world, subject.companyId);
      const answer = await sendHeld(subject, { line, ...(body && { body }) }, () => end(world, subject.keyId));
      expectEnded(answer, code, line);
      expect(await storedOf(world, subject.companyId)).toEqual(before);
    }
  },
);

test.for(Object.entries(waiting))(
  '%s: a key that is still valid writes after a long wait for a row lock',
  async ([, request]) => {
    const subject = await newAtsSubject(world);
    await world.patch(subject.key, subject.id, { name: 'Before' }, { query: subject.query });
    const answer = await sendHeld(subject, request(subject.id), async () => {});
    expect(answer.status).toBe(request('').line.startsWith('DELETE') ? 204 : 200);
    const row = JSON.parse(await world.row(subject.id));
    if (answer.status === 204) expect(row.deleted_at).not.toBe(null);
    else expect(row).toMatchObject({ version: 3 });
  },
);

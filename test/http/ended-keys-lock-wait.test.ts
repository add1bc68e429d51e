import { expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { ends, expectEnded, newAtsSubject, storedOf } from '../support/ended-keys.ts';
import type { Answer } from '../support/http.ts';
import { untilWaiting, whileLocked } from '../support/locks.ts';
import { untilOutdated } from '../support/slow-body.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const waiting: Readonly<Record<string, (id: string) => { line: string; body?: object }>> = {
  PATCH: (id) => ({ line: `PATCH /agents/${id}`, body: { name: 'Too late' } }),
  restore: (id) => ({ line: `POST /agents/${id}/versions/1/restore` }),
  DELETE: (id) => ({ line: `DELETE /agents/${id}` }),
};

/** Each on a server of its own. The rows of the agents stay locked until all requests have waited for more than a second. */
async function sendHeld(
  subjects: readonly Awaited<ReturnType<typeof newAtsSubject>>[],
  request: (typeof waiting)[string],
  meanwhile: () => Promise<unknown>,
): Promise<Answer[]> {
  const lock = 'SELECT FROM agent WHERE id = ANY($1) FOR UPDATE';
  return await whileLocked(world, lock, [subjects.map(({ id }) => id)], async (release) => {
    const answers = subjects.map(async ({ id, key, query }) => {
      // With one connection the second lookup has to use the connection that waits for the lock.
      const { origin } = await openAnotherServer(world, { connections: 1 });
      const { line, ...rest } = request(id);
      return await callsOf(origin).call(key, line + query, rest);
    });
    await untilWaiting(world, subjects.length);
    await untilOutdated(performance.now());
    await meanwhile();
    await release();
    return await Promise.all(answers);
  });
}

/** Keys and their agents, which have two versions. */
const newSubjects = (count: number) =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const subject = await newAtsSubject(world);
      await world.patch(subject.key, subject.id, { name: 'Before' }, { query: subject.query });
      return subject;
    }),
  );

test.for(Object.entries(waiting))(
  '%s: a key that ends while its request waits for a row lock writes nothing',
  async ([, request]) => {
    const endings = [ends['revoked'], ends['expired'], ends['without its grant']].filter((one) => one !== undefined);
    const subjects = await newSubjects(endings.length);
    const before = await Promise.all(subjects.map(({ companyId }) => storedOf(world, companyId)));
    const answers = await sendHeld(subjects, request, () =>
      Promise.all(endings.map(({ end }, at) => end(world, subjects[at]?.keyId ?? ''))),
    );
    for (const [at, answer] of answers.entries()) {
      const line = request(subjects[at]?.id ?? '').line;
      expectEnded(answer, endings[at]?.code ?? 'INTERNAL_ERROR', line);
    }
    expect(await Promise.all(subjects.map(({ companyId }) => storedOf(world, companyId)))).toEqual(before);
  },
);

test.for(Object.entries(waiting))(
  '%s: a key that is still valid writes after a long wait for a row lock',
  async ([, request]) => {
    const subjects = await newSubjects(1);
    const [answer] = await sendHeld(subjects, request, async () => {});
    expect(answer?.status).toBe(request('').line.startsWith('DELETE') ? 204 : 200);
    const row = JSON.parse(await world.row(subjects[0]?.id ?? ''));
    if (answer?.status === 204) expect(row.deleted_at).not.toBe(null);
    else expect(row).toMatchObject({ version: 3 });
  },
);

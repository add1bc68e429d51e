import { randomUUID } from 'node:crypto';
import { expect, inject, test } from 'vitest';
import { complaints, inBody } from '../../src/http/faults.ts';
import type { Answer } from '../support/http.ts';
import { type Client, openClient, startUnlimited } from '../support/kept-client.ts';
import { newSubject, type Subject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { answerOfVersion, storedAgent, versionIn } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const races = inject('isShort') ? 100 : 1_000;

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

/** Two server processes that share only the database. */
async function startTwo(): Promise<readonly [string, string]> {
  const [one, other] = await Promise.all([startUnlimited(world), startUnlimited(world)]);
  return [one.origin, other.origin];
}

interface Merge {
  readonly agent: Subject;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly requestId: string;
}

/**
 * Sends a merge until it is acknowledged. After a 503 it may have been stored, so it is sent again with its idempotency
 * key.
 */
async function acknowledge(client: Client, origin: string, { agent, metadata, requestId }: Merge): Promise<Answer> {
  const headers = { 'x-request-id': requestId, 'idempotency-key': requestId };
  for (;;) {
    const answer = await client(origin, { line: `PATCH /agents/${agent.id}`, body: { metadata }, headers });
    if (answer.status !== 503 && answer.status !== 409) return answer;
  }
}

/** Sends all merges at once, alternately to the two processes. */
async function mergeAll(merges: readonly Merge[]): Promise<Answer[]> {
  const origins = await startTwo();
  const clients = merges.map(({ agent }) => openClient(agent.key));
  return await Promise.all(
    merges.map((merge, at) => acknowledge(clients[at] ?? clientMissing, origins[at % 2 === 0 ? 0 : 1], merge)),
  );
}

const clientMissing: Client = () => Promise.reject(new Error('no client'));

/** Each acknowledged merge is the version that its answer shows, and there are no other versions. */
async function expectOneVersionEach(agent: Subject, merges: readonly Merge[], answers: readonly Answer[]) {
  const stored = await storedAgent(world, agent.id);
  expect(stored.row.version).toBe(1 + merges.length);
  expect(stored.history.map(({ version }) => version)).toEqual(upTo(merges.length + 1).map((at) => at + 1));
  expect(answers.map(({ status }) => status)).toEqual(merges.map(() => 200));
  for (const [at, answer] of answers.entries()) {
    expect(answer.body).toEqual(answerOfVersion(stored, versionIn(answer)));
    expect(stored.history[versionIn(answer) - 1]?.requestId).toBe(merges[at]?.requestId);
  }
  return stored;
}

test('1,000 parallel merges through two processes into 25 agents: no key is lost, and each merge has a version of its own', async () => {
  const agents = await Promise.all(upTo(25).map(() => newSubject(world)));
  const merges = upTo(40).flatMap((key) =>
    agents.map((agent): Merge => ({ agent, metadata: { [`k${key}`]: key }, requestId: `merge-${key}` })),
  );
  const answers = await mergeAll(merges);
  for (const agent of agents) {
    const own = merges.flatMap((merge, at) => (merge.agent === agent ? [at] : []));
    const [sent, got] = [own.flatMap((at) => merges[at] ?? []), own.flatMap((at) => answers[at] ?? [])];
    const { row } = await expectOneVersionEach(agent, sent, got);
    expect(row.metadata).toEqual(Object.fromEntries(upTo(40).map((key) => [`k${key}`, key])));
  }
});

test('1,000 parallel merges through two processes into one agent: each key has the value of its last version', async () => {
  const agent = await newSubject(world);
  const merges = upTo(1_000).map((at): Merge => {
    return { agent, metadata: { [`k${at % 50}`]: at }, requestId: `merge-${at}` };
  });
  const { row, history } = await expectOneVersionEach(agent, merges, await mergeAll(merges));
  const inOrder = history.slice(1).map(({ requestId }) => Number(requestId?.slice('merge-'.length)));
  expect(row.metadata).toEqual(Object.fromEntries(inOrder.map((at) => [`k${at % 50}`, at])));
});

/** The place of a race: an agent, and clients of both servers. */
interface Track {
  readonly agent: Subject;
  readonly merge: (at: number, metadata: Merge['metadata']) => Promise<Answer>;
}

function openTrack(agent: Subject, origins: readonly [string, string]): Track {
  const clients = upTo(8).map(() => openClient(agent.key));
  const merge = (at: number, metadata: Merge['metadata']) =>
    acknowledge(clients[at] ?? clientMissing, origins[at % 2 === 0 ? 0 : 1], {
      agent,
      metadata,
      requestId: randomUUID(),
    });
  return { agent, merge };
}

/**
 * Patches through both processes add more keys than the limit allows: as many as fit are accepted, the others refused.
 */
async function race({ agent, merge }: Track, round: number): Promise<void> {
  const free = 1 + (round % 3);
  const wanted = free + 1 + (round % 4);
  const kept = upTo(50 - free).map((at) => [`kept${at}`, at]);
  const removed = upTo(50)
    .flatMap((at) => [`kept${at}`, `new${at}`])
    .map((key) => [key, null]);
  const ready = await merge(round % 2, Object.fromEntries([...removed, ...kept]));
  expect(ready).toMatchObject({ status: 200 });
  expect(Object(ready.body).metadata).toEqual(Object.fromEntries(kept));

  const answers = await Promise.all(upTo(wanted).map((at) => merge(at, { [`new${at}`]: at })));
  const given = answers.flatMap(({ status }, at) => (status === 200 ? [at] : []));
  expect(given).toHaveLength(free);
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    const errors = [inBody(['metadata'], complaints.metadataKeys(50, 51))];
    expectProblem(answer, { code: 'VALIDATION_FAILED', instance: `/agents/${agent.id}`, errors });
  }
  const { metadata } = JSON.parse(await world.row(agent.id));
  expect(metadata).toEqual(Object.fromEntries([...kept, ...given.map((at) => [`new${at}`, at])]));
}

test(`in ${races} races of two processes for the last metadata keys as many as fit are stored, and the others answer 400`, async () => {
  const origins = await startTwo();
  const agents = await Promise.all(upTo(10).map(() => newSubject(world)));
  await Promise.all(
    agents.map(async (agent, first) => {
      const track = openTrack(agent, origins);
      for (let round = first; round < races; round += agents.length) await race(track, round);
    }),
  );
  const { rows } = await world.sql.query(
    `SELECT max((SELECT count(*) FROM jsonb_object_keys(snapshot->'metadata')))::int AS most FROM agent_version
      WHERE agent_id = ANY($1::uuid[])`,
    [agents.map(({ id }) => id)],
  );
  expect(rows).toEqual([{ most: 50 }]);
});

import { expect, onTestFinished, test } from 'vitest';
import { agentRepository } from '../../src/agents/repository.ts';
import type { Decide } from '../../src/agents/write/decision.ts';
import type { JsonObject } from '../../src/http/json.ts';
import { directCaller as caller, lookup } from '../support/direct-caller.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** A repository of its own, so that the calls of a test determine its batches. */
function openAgents() {
  const database = openLimited('patient', world.databaseUrl, 4);
  onTestFinished(() => database.close());
  return agentRepository(database);
}

/** A decision that appends a word to the instructions. */
const append =
  (word: string): Decide =>
  (found) => {
    if (!found) throw new Error('not found');
    const instructions = `${found.agent.content.instructions ?? ''}${word}`;
    return { content: { ...found.agent.content, instructions }, changedFields: ['instructions'] };
  };

test('concurrent changes of one agent are decided in order, each with its own version and history entry', async () => {
  const company = await world.company();
  const { id } = await world.agent(company.id);
  const agents = openAgents();
  const callers = [1, 2, 3, 4, 5].map(() => caller(company));
  const results = await Promise.all(
    callers.map((by, at) => agents.change({ id, phoneNumberId: null }, by, append(String(at)))),
  );

  expect(results.map(({ agent }) => agent.content.instructions)).toEqual(['0', '01', '012', '0123', '01234']);
  expect(results.map(({ agent }) => agent.version)).toEqual([2, 3, 4, 5, 6]);
  for (const { changedFields } of results) expect(changedFields).toEqual(['instructions']);
  const history = await world.history(id);
  expect(history.slice(1)).toEqual(
    results.map(({ agent }, at) => ({
      version: agent.version,
      createdAt: agent.updatedAt,
      snapshot: expect.objectContaining({ instructions: agent.content.instructions }),
      changedFields: ['instructions'],
      keyId: callers[at]?.keyId,
      requestId: callers[at]?.requestId,
      restoredFrom: null,
    })),
  );
  const times = history.map(({ createdAt }) => createdAt.getTime());
  expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
  expect(JSON.parse(await world.row(id))).toMatchObject({ version: 6, instructions: '01234' });
});

test('a decision that throws fails alone, and later ones are decided on the state before it', async () => {
  const company = await world.company();
  const { id } = await world.agent(company.id);
  const agents = openAgents();
  const refuse: Decide = () => {
    throw new Error('no');
  };
  const by = caller(company);
  const change = (decide: Decide) => agents.change({ id, phoneNumberId: null }, by, decide);
  const ends = await Promise.allSettled([append('a'), append('b'), refuse, append('c')].map(change));
  expect(
    ends.map((end) => (end.status === 'fulfilled' ? end.value.agent.content.instructions : String(end.reason))),
  ).toEqual(['a', 'ab', 'Error: no', 'abc']);
  expect((await world.history(id)).map(({ version }) => version)).toEqual([1, 2, 3, 4]);
});

test('a row that the database refuses fails alone, and the other changes of its batch are written', async () => {
  const company = await world.company();
  const ids = (await Promise.all([1, 2, 3, 4, 5, 6].map(() => world.agent(company.id)))).map(({ id }) => id);
  const agents = openAgents();
  const [, , , poisoned] = ids;
  // A list instead of an object violates a check of the table.
  const notAnObject: JsonObject = JSON.parse('[]');
  const poison: Decide = (found) => {
    if (!found) throw new Error('not found');
    return { content: { ...found.agent.content, metadata: notAnObject }, changedFields: ['metadata'] };
  };
  const ends = await Promise.allSettled(
    ids.map((id) =>
      agents.change({ id, phoneNumberId: null }, caller(company), id === poisoned ? poison : append('x')),
    ),
  );
  expect(ends.map(({ status }) => status)).toEqual(ids.map((id) => (id === poisoned ? 'rejected' : 'fulfilled')));
  for (const id of ids) {
    const version = id === poisoned ? 1 : 2;
    expect(JSON.parse(await world.row(id))).toMatchObject({ version });
    expect((await world.history(id)).map((entry) => entry.version)).toEqual(version === 1 ? [1] : [1, 2]);
  }
});

test('the change of a key that has ended fails alone, and the other changes of its batch are written', async () => {
  const company = await world.company();
  const [first, second] = await Promise.all([world.agent(company.id), world.agent(company.id)]);
  const agents = openAgents();
  const keys = await Promise.all([1, 2, 3, 4, 5].map(() => world.newKey(company.id)));
  const callers = keys.map(({ id: keyId }, at) => ({
    ...caller({ id: company.id, keyId }),
    admission: {
      lookedUpAt: Number.NEGATIVE_INFINITY,
      databaseTime: Number.NEGATIVE_INFINITY,
      lookup,
      check: () => {
        if (at === 2) throw new Error('ended');
      },
    },
  }));
  // All calls form one batch, as they are made in one turn of the event loop.
  const ids = [first.id, first.id, first.id, first.id, second.id];
  const ends = await Promise.allSettled(
    callers.map((by, at) => agents.change({ id: ids[at] ?? '', phoneNumberId: null }, by, append(String(at)))),
  );
  expect(
    ends.map((end) => (end.status === 'fulfilled' ? end.value.agent.content.instructions : String(end.reason))),
  ).toEqual(['0', '01', 'Error: ended', '013', '4']);
  const [one, two, , four, five] = callers.map(({ keyId }) => keyId);
  const writers = async (id: string) => (await world.history(id)).map(({ keyId }) => keyId);
  expect(await writers(first.id)).toEqual([null, one, two, four]);
  expect(await writers(second.id)).toEqual([null, five]);
});

test('a change that was decided on an outdated version is decided again on the stored one', async () => {
  const company = await world.company();
  const { id } = await world.agent(company.id);
  const [first, second] = [openAgents(), openAgents()];
  const read = await first.change({ id, phoneNumberId: null }, caller(company), append('a'));
  await second.change({ id, phoneNumberId: null }, caller(company), append('b'));
  await second.change({ id, phoneNumberId: null }, caller(company), append('c'));

  const seen: (number | undefined)[] = [];
  const end = await first.change(
    { id, phoneNumberId: null, readAhead: { agent: read.agent, readOrder: Number.POSITIVE_INFINITY } },
    caller(company),
    (found) => {
      seen.push(found?.agent.version);
      return append('d')(found);
    },
  );
  expect(seen).toEqual([2, 4]);
  expect(end).toMatchObject({
    agent: { version: 5, content: { instructions: 'abcd' } },
    changedFields: ['instructions'],
  });
});

test('a change that was decided before the agent was deleted is decided again, and refused', async () => {
  const company = await world.company();
  const { id } = await world.agent(company.id);
  const agents = openAgents();
  const read = await agents.find(id, null);
  await agents.delete({ id, by: caller(company), companyId: null, version: null });
  const before = await world.row(id);

  const seen: (number | undefined)[] = [];
  const change = agents.change(
    { id, phoneNumberId: null, readAhead: { agent: read?.agent, readOrder: Number.POSITIVE_INFINITY } },
    caller(company),
    (found) => {
      seen.push(found?.agent.version);
      return append('late')(found);
    },
  );
  await expect(change).rejects.toThrow('not found');
  expect(seen).toEqual([1, undefined]);
  expect(await world.row(id)).toBe(before);
  expect((await world.history(id)).map(({ version }) => version)).toEqual([1]);
});

test('a change without effect is answered after the changes before it, with their version', async () => {
  const company = await world.company();
  const { id } = await world.agent(company.id);
  const agents = openAgents();
  const by = caller(company);
  const nothing: Decide = (found) => {
    if (!found) throw new Error('not found');
    return { content: found.agent.content, changedFields: [] };
  };
  const change = (decide: Decide) => agents.change({ id, phoneNumberId: null }, by, decide);
  const results = await Promise.all([append('a'), append('b'), nothing, append('c'), nothing].map(change));
  expect(results.map(({ agent }) => agent.version)).toEqual([2, 3, 3, 4, 4]);
  expect(results[2]).toEqual({ agent: results[1]?.agent, changedFields: [] });
  expect(results[4]).toEqual({ agent: results[3]?.agent, changedFields: [] });
});

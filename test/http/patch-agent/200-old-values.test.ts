import { expect, test } from 'vitest';
import { complaints, inBody } from '../../../src/http/faults.ts';
import type { Answer } from '../../support/http.ts';
import { expectChange, expectNoChange, expectRefusal, newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** Columns with values that an older server may have written. */
const oldValues: readonly (readonly [string, string, unknown])[] = [
  ['type is VIDEO', 'type', 'VIDEO'],
  ['type is PHONE without a number', 'type', 'PHONE'],
  ['focus is EXIT_INTERVIEW', 'focus', 'EXIT_INTERVIEW'],
  ['language is XX', 'language', 'XX'],
  ['voice is HAL', 'voice_id', 'HAL'],
  ['CEFR level is D1', 'cefr_level', 'D1'],
  ['background sound is BEACH', 'background_sound', 'BEACH'],
  ['duration is 999', 'duration', 999],
  ['name has 300 characters', 'name', 'x'.repeat(300)],
  ['instructions have 9,000 characters', 'instructions', 'x'.repeat(9000)],
  ['questions are 60 and empty', 'questions', Array(60).fill('')],
];

/** Writes columns by SQL, with values that a patch could not store. */
async function setColumn(id: string, column: string, value: unknown): Promise<void> {
  const sql = `UPDATE agent SET ${column} = n.${column}
                 FROM jsonb_populate_record(NULL::agent, $2) AS n WHERE agent.id = $1`;
  await world.sql.query(sql, [id, JSON.stringify({ [column]: value })]);
}

test.for(oldValues)('an agent with a stored %s that PATCH refuses today can be read and patched', async (old) => {
  const [, column, value] = old;
  const agent = await newSubject(world);
  await setColumn(agent.id, column, value);
  await expectNoChange(world, agent, {});
  await expectChange(world, agent, { metadata: { seen: true } }, { metadata: { seen: true } });
});

/** The names in requests of the columns that have another. */
const fieldNames = new Map([
  ['voice_id', 'voiceId'],
  ['cefr_level', 'cefrLevel'],
  ['background_sound', 'backgroundSound'],
]);

test.for(oldValues)('a value that PATCH refuses today is refused also if it is the stored one: %s', async (old) => {
  const [, column, value] = old;
  const field = fieldNames.get(column) ?? column;
  const agent = await newSubject(world);
  await setColumn(agent.id, column, value);
  const pointer = field === 'type' && value === 'PHONE' ? '#/companyPhoneNumberId' : `#/${field}`;
  await expectRefusal(world, agent.id, () => world.patch(agent.key, agent.id, { duration: 9, [field]: value }), {
    ...{ code: 'VALIDATION_FAILED', detail: expect.any(String) },
    errors: expect.arrayContaining([expect.objectContaining({ pointer })]),
  });
});

test('questions that SQL stored as something else than texts are shown as their JSON, and the agent stays patchable', async () => {
  const agent = await newSubject(world);
  await setColumn(agent.id, 'questions', ['Why?', null, 1, { a: [true] }]);
  await world.sql.query(`UPDATE agent SET questions = questions || '[12345678901234567890]' WHERE id = $1`, [agent.id]);
  const shown = ['Why?', 'null', '1', '{"a":[true]}', '12345678901234567890'];
  const questionsOf = ({ status, body }: Pick<Answer, 'status' | 'body'>) => [status, Object(body).questions];
  const ask = (line: string, body?: unknown) => world.call(agent.key, line, { body });
  expect(questionsOf(await ask(`GET /agents/${agent.id}`))).toEqual([200, shown]);
  expect((await ask('GET /agents')).body).toMatchObject({ data: [{ questions: shown }] });
  expect(questionsOf(await ask(`PATCH /agents/${agent.id}`, { duration: 9 }))).toEqual([200, shown]);
  expect(questionsOf(await ask(`GET /agents/${agent.id}/versions/2`))).toEqual([200, shown]);
  await expectChange(world, agent, { questions: ['Why?'] }, { questions: ['Why?'] });
  expect(questionsOf(await ask(`POST /agents/${agent.id}/versions/2/restore`))).toEqual([200, shown]);
});

test('metadata stored with a number that PATCH refuses can be read, patched in other keys, and is kept in the history', async () => {
  const agent = await newSubject(world);
  const tiny = { list: [5e-324, -1.5e-300], n: 5e-324 };
  await setColumn(agent.id, 'metadata', { tiny, other: 1 });
  await expectNoChange(world, agent, {});
  await expectChange(world, agent, { duration: 9 }, { duration: 9 });
  await expectChange(
    world,
    agent,
    { metadata: { other: 2, more: 1e-38 } },
    { metadata: { tiny, other: 2, more: 1e-38 } },
  );
  await expectChange(
    world,
    agent,
    { metadata: { tiny: { list: null } } },
    { metadata: { tiny: { n: 5e-324 }, other: 2, more: 1e-38 } },
  );
  const restored = await world.client(agent.key).restore(agent.id, 3);
  expect([restored.status, Object(restored.body).metadata]).toEqual([200, { tiny, other: 2, more: 1e-38 }]);
  await expectChange(world, agent, { metadata: { tiny: null } }, { metadata: { other: 2, more: 1e-38 } });
});

const nested = (levels: number): object => (levels === 1 ? { end: 1 } : { down: nested(levels - 1) });
const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));

/** Metadata over one limit, a patch that keeps that measure, and one that raises it, with its fault. */
const overLimit = [
  {
    limit: 'bytes',
    stored: { text: 'x'.repeat(11_000), b: 1 },
    kept: [{ text: 'y'.repeat(11_000) }, { text: 'y'.repeat(10_500), b: { c: 1 } }],
    raised: { text: 'x'.repeat(11_010) },
    fault: {
      code: 'too_large',
      detail: 'must be at most 10240 bytes of JSON once merged, but would be 11033',
      limit: 10_240,
    },
  },
  {
    limit: 'keys',
    stored: keys(60),
    kept: [{ k0: 'changed' }, { k0: null, other: 1 }, { k1: null, k2: null }],
    raised: { more: 1, k60: 1, k61: 1 },
    fault: {
      code: 'too_many',
      detail: 'must have at most 50 keys at all levels once merged, but would have 61',
      limit: 50,
    },
  },
  {
    limit: 'levels',
    stored: { ...nested(7), b: 1 },
    kept: [{ b: 2 }, { side: nested(6) }],
    raised: { b: nested(7) },
    fault: {
      code: 'too_deep',
      detail: 'must be at most 5 levels deep once merged, but would be 8',
      limit: 5,
    },
  },
] as const;

test.for(overLimit)(
  'metadata stored over the limit of $limit does not prevent patches of other fields',
  async ({ stored }) => {
    const agent = await newSubject(world);
    await setColumn(agent.id, 'metadata', stored);
    await expectChange(world, agent, { name: 'Renamed' }, { name: 'Renamed' });
  },
);

test('metadata stored over one limit is refused for the other limit alone, if only that measure grows past it', async () => {
  const agent = await newSubject(world);
  await setColumn(agent.id, 'metadata', keys(60));
  const patch = { k0: 'x'.repeat(10_240 - JSON.stringify(keys(60)).length) };
  await expectRefusal(world, agent.id, () => world.patch(agent.key, agent.id, { metadata: patch }), {
    ...{ code: 'VALIDATION_FAILED', errors: [inBody(['metadata'], complaints.metadataBytes(10_240, 10_241))] },
  });
});

test.for(overLimit)(
  'metadata stored over the limit of $limit may change if that measure does not grow',
  async ({ stored, kept, raised, fault }) => {
    const agent = await newSubject(world);
    await setColumn(agent.id, 'metadata', stored);
    let metadata: Record<string, unknown> = { ...stored };
    for (const patch of kept) {
      metadata = Object.fromEntries(Object.entries({ ...metadata, ...patch }).filter(([, value]) => value !== null));
      await expectChange(world, agent, { metadata: patch }, { metadata });
    }
    const errors = [inBody(['metadata'], fault)];
    const send = () => world.patch(agent.key, agent.id, { metadata: raised });
    await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
  },
);

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test } from 'vitest';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

function open() {
  const database = openLimited('patient', world.databaseUrl, 2);
  onTestFinished(() => database.close());
  return database;
}

const texts = [
  '',
  'a "quoted" \\ text',
  '{"a":"\\u0041\\n"}',
  '{NULL,"b"}',
  "it's",
  'ä€😀',
  '\n\t',
  'x'.repeat(400_000),
];
const types = ['text', 'text', 'int', 'float8', 'boolean', 'boolean', 'text[]', 'int[]', 'text[]', 'uuid[]'];
const values = (text: string) => {
  const id = '3f0c7bb4-5a0e-4a5e-9d49-5fd1a3f3a1b2';
  return [text, null, -7, 0.1, true, false, [text, null, ...texts.slice(0, 7)], [1, null], [], [id]];
};
const echoed = `SELECT ${types.map((type, place) => `$${place + 1}::${type} AS v${place}`).join(', ')}`;
const asRow = (list: readonly unknown[]) => Object.fromEntries(list.map((value, place) => [`v${place}`, value]));

test('values reach PostgreSQL unchanged, alone and in a transaction, whatever a text holds', async () => {
  const { query, transaction } = open();
  for (const text of texts) {
    const given = values(text);
    expect(await query({ text: echoed, values: given })).toEqual([asRow(given)]);
    expect(await transaction((inside) => inside({ text: echoed, values: given }))).toEqual([asRow(given)]);
  }
});

test('each of many concurrent statements gets its own values, even if others fail', async () => {
  const { query } = open();
  const own = Array.from({ length: 200 }, (_, number) => `text ${number}`);
  const asked = own.map((text, number) =>
    query({ text: 'SELECT $1::text AS own, 1 / $2::int AS one', values: [text, number % 3] }).catch(() => undefined),
  );
  const rows = own.map((text, number) =>
    number % 3 === 0 ? undefined : [{ own: text, one: number % 3 === 1 ? 1 : 0 }],
  );
  expect(await Promise.all(asked)).toEqual(rows);
});

test('a statement without values runs, and one with too few or too many values is refused', async () => {
  const { query } = open();
  expect(await query({ text: 'SELECT 1 AS one', values: [] })).toEqual([{ one: 1 }]);
  await expect(query({ text: 'SELECT $1::int AS one', values: [] })).rejects.toThrow();
  await expect(query({ text: 'SELECT $1::int AS one', values: [1, 2] })).rejects.toThrow();
});

test('nothing keeps the values of a statement that was answered, or was refused', async () => {
  const { query, transaction } = open();
  const given = async (run: typeof query, sql: string) => {
    const list = ['large'];
    await run({ text: sql, values: [list] }).catch(() => {});
    return new WeakRef(list);
  };
  const refused = 'SELECT $1::text[] AS list, 1 / 0';
  const lists = [
    await given(query, 'SELECT $1::text[] AS list'),
    await given(query, refused),
    await transaction((inside) => given(inside, 'SELECT $1::text[] AS list')),
  ];
  // What a WeakRef was made of lives to the end of the turn.
  await setImmediate();
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  expect(lists.map((list) => list.deref())).toEqual([undefined, undefined, undefined]);
});

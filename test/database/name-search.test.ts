import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, inject, onTestFinished, test } from 'vitest';
import { nameContains } from '../../src/agents/name-search.statements.ts';
import { foldCase } from '../../src/agents/rules/case-folding.ts';
import { connect, run } from '../support/connection.ts';
import { withDatabase } from '../support/global-setup.ts';

/** A database with the given locale, which the test drops. */
async function openDatabaseOf(locale: string) {
  const name = `locale_${randomUUID().replaceAll('-', '')}`;
  const server = inject('serverUrl');
  await run(server, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' ${locale}`);
  onTestFinished(async () => {
    await run(server, `DROP DATABASE ${name} WITH (FORCE)`);
  });
  const client = await connect(withDatabase(server, name));
  onTestFinished(() => client.end());
  return {
    lower: async (text: string) => (await client.query('SELECT lower($1) AS lower', [text])).rows[0].lower,
    /** The names that the filter of the list finds. */
    async find(names: readonly string[], text: string): Promise<string[]> {
      const { text: sql, values } = nameContains(text);
      const place = `$${values.length + 1}`;
      const { rows } = await client.query(`SELECT a.name FROM unnest(${place}::text[]) AS a(name) WHERE ${sql}`, [
        ...values,
        names,
      ]);
      return rows.map((row) => row.name);
    },
  };
}

const locales = [
  [`LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'`, 'Éi'],
  [`LOCALE_PROVIDER icu ICU_LOCALE 'tr' LC_COLLATE 'C' LC_CTYPE 'C'`, 'éı'],
] as const;

/** Letters with unusual case folding, and characters that are special in regular expressions and LIKE. */
const letters = [
  ...'sSſßẞtTﬆﬅiIıİ\u0307fFﬁﬃlﬂσΣςαιΑΙᾳᾼ\u0345Έέ\u0390kK\u212aåÅ\u212bäÄaA\u0308nŉʼxX漢',
  ...'%_\\[]().*+?|^$-: {}',
];
const text = (maxLength: number) =>
  fc.array(fc.constantFrom(...letters), { minLength: 1, maxLength }).map((parts) => parts.join(''));
/** `foldCase` does not tell whether a name has U+0307 behind an `i`, which a text that begins with it asks for. */
const partOfName = text(3).filter((part) => !part.startsWith('\u0307'));

test.for(locales)(
  'in a database with %s, where lower case of ÉI is %s, the name filter compares by case folding',
  async ([locale, lower]) => {
    const database = await openDatabaseOf(locale);
    expect(await database.lower('ÉI')).toBe(lower);
    const rounds = fc.sample(fc.tuple(fc.array(text(12), { minLength: 20, maxLength: 20 }), partOfName), 300);
    let found = 0;
    for (const [names, part] of rounds) {
      const expected = names.filter((name) => foldCase(name).includes(foldCase(part)));
      expect({ part, names: await database.find(names, part) }).toEqual({ part, names: expected });
      found += expected.length;
    }
    expect(found).toBeGreaterThan(100);
  },
);

test('the name filter finds a name by its lower and its upper case, as clients make them, and finds names in these', async () => {
  const database = await openDatabaseOf(`LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'`);
  const names = ['İSTANBUL', 'İstanbul', 'ISTANBUL', 'ıstanbul', ...fc.sample(text(12), 60)];
  for (const name of names) {
    const forms = [name, name.toLowerCase(), name.toUpperCase()];
    for (const form of forms) expect({ form, found: await database.find(forms, form) }).toEqual({ form, found: forms });
  }
  const found = await database.find(['İS', 'i\u0307s', 'i\u0307\u0307S', 'ıs', 'i\u0308s', 'x\u0307s'], 'is');
  expect(found).toEqual(['İS', 'i\u0307s', 'i\u0307\u0307S', 'ıs']);
  expect(await database.find(['i\u0307s', 'x\u0307s', 'is'], '\u0307s')).toEqual(['i\u0307s', 'x\u0307s']);
});

test('a filter of the longest allowed text, whose letters all grow in folding, finds the name that equals it', async () => {
  const database = await openDatabaseOf(`LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'`);
  for (const name of [
    'ß'.repeat(100),
    'ﬃ'.repeat(33),
    'sß'.repeat(50),
    'İ'.repeat(100),
    'αβγδεζηθικλμνξοπρστυφχψωᾳῃῳΐΰﬅﬃßŉǰẖẗẘẙև',
  ]) {
    const folded = foldCase(name);
    expect(await database.find([name, `${name}x`, 'x', ''], name)).toEqual([name, `${name}x`]);
    expect(await database.find([name, folded.toUpperCase()], folded.slice(0, 100))).toContain(name);
    expect(await database.find([name.slice(1)], name)).toEqual([]);
  }
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plainLength } from '../../src/http/json.ts';
import { expectChange, newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('a number has as many characters in a jsonb document as are counted before it is stored', async () => {
  const anyNumber = fc.double({ noDefaultInfinity: true, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.array(anyNumber, { minLength: 100, maxLength: 100 }), async (numbers) => {
      const { rows } = await world.sql.query('SELECT value::text FROM jsonb_array_elements($1)', [
        JSON.stringify(numbers),
      ]);
      expect(rows.map(({ value }) => value.length)).toEqual(numbers.map(plainLength));
    }),
    { numRuns: 20 },
  );
});

/** The fewest bytes of JSON for the most characters: 5 and a comma for 40, a comma and a space. */
const worst = 1e-38;

test('metadata at its limit of 10,240 bytes has at most seven times as many in PostgreSQL and in a read', async () => {
  const agent = await newSubject(world);
  const metadata = { n: Array(1_705).fill(worst) };
  const text = JSON.stringify({ metadata });
  expect(Buffer.byteLength(JSON.stringify(metadata))).toBeGreaterThan(10_230);
  await expectChange(world, agent, text, { metadata });
  const stored = await world.sql.query('SELECT octet_length(metadata::text) AS bytes FROM agent WHERE id = $1', [
    agent.id,
  ]);
  expect(stored.rows).toEqual([{ bytes: 1_705 * 42 + '{"n": []}'.length - 2 }]);
  expect(Number(stored.rows[0]?.bytes)).toBeLessThan(7 * 10_240);
  const read = await fetch(`${world.origin}/agents/${agent.id}`, { headers: { authorization: `Bearer ${agent.key}` } });
  expect(Buffer.byteLength(await read.text())).toBeLessThan(7 * 10_240);
});

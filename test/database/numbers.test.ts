import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findStatement } from '../../src/agents/write/find.statements.ts';
import { lookupStatement } from '../../src/auth/lookup.statements.ts';
import { plainLength } from '../../src/http/json.ts';
import { expectChange, newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('the computed length of a number equals its length in a jsonb document', async () => {
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

test('the JSON of an ordinary agent and its key has no number of sixteen characters', async () => {
  const { id, keyId } = await newSubject(world, { metadata: { tier: 3, score: 0.25 } });
  const { rows } = await world.sql.query('SELECT hash FROM api_key WHERE id = $1', [keyId]);
  const asked = { hash: rows[0].hash, formerHash: null, companyId: null, agentId: id, address: '127.0.0.1' };
  const statements = [
    lookupStatement([{ ...asked, scope: 'write:agents' }]),
    findStatement([{ id, phoneNumberId: null }]),
  ];
  for (const { text, values } of statements) {
    const found = await world.sql.query(text, [...values]);
    const { json } = found.rows[0];
    expect(JSON.parse(json).agent).toMatchObject({ id, metadata: { tier: 3, score: 0.25 } });
    // Such a number is parsed by src/http/exact-numbers.ts, which takes ten times as long.
    expect(json).not.toMatch(/\d[\d.]{15}/);
  }
});

/** The largest ratio of stored to sent characters: 5 and a comma become 40, a comma and a space. */
const worst = 1e-38;

test('metadata at its limit of 10,240 bytes has at most seven times as many in PostgreSQL and in an answer', async () => {
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

import { expect, test } from 'vitest';
import { expectDocumented, readDocument } from '../../support/document.ts';
import { fullAgent } from '../../support/patch-agent.ts';
import { answerOf, asColumns, storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ docs: false });
const document = readDocument((await world.send({ method: 'GET', path: '/openapi.json' })).text);

/** Values that a request may not have, but that another release may have stored. */
const old = [
  [
    'too large for a request',
    { name: 'x'.repeat(300), duration: 240, questions: Array(60).fill(' '), instructions: 'x'.repeat(9000) },
  ],
  ['too small for a request', { name: '', duration: -1, questions: ['', 'x'.repeat(2001)] }],
  ['in no list of today', { type: 'VIDEO', language: 'XX', voiceId: 'HAL' }],
] as const;

test.for(old)('the document describes answers with stored values that are %s', async ([, values]) => {
  const { id, key } = await fullAgent(world);
  const columns = asColumns(values);
  const names = Object.keys(columns);
  await world.sql.query(
    `UPDATE agent SET (${names}) = (SELECT ${names.map((name) => `n.${name}`)} FROM jsonb_populate_record(agent, $2) n)
      WHERE id = $1`,
    [id, JSON.stringify(columns)],
  );
  const changed = await world.call(key, `PATCH /agents/${id}`, { body: { metadata: { seen: true } } });
  const { row } = await storedAgent(world, id);
  const shown = answerOf(row);
  expect(row).toMatchObject(columns);

  const check = (method: string, path: string, { headers, ...answer }: typeof changed, body: object) => {
    expect([answer.status, answer.body]).toEqual([200, body]);
    const given = ['etag', 'changed-fields', 'agent-phone-number-id'].filter((name) => name in headers);
    expectDocumented(document, [method, path], { headers, ...answer }, given);
  };
  check('patch', '/agents/{id}', changed, shown);
  check('get', '/agents/{id}', await world.call(key, `GET /agents/${id}`), shown);
  const page = { total: 1, page: 1, limit: 20, totalPages: 1, hasNextPage: false, hasPreviousPage: false };
  check('get', '/agents', await world.call(key, 'GET /agents'), { data: [shown], pagination: page });
  const versioned = { ...shown, companyPhoneNumberId: row.company_phone_number_id };
  check('get', '/agents/{id}/versions/{version}', await world.call(key, `GET /agents/${id}/versions/3`), versioned);
});

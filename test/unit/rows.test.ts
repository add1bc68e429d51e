import { expect, test } from 'vitest';
import { initialContent } from '../../src/agents/fields.ts';
import { agentJsonSchema } from '../../src/agents/row.schema.ts';
import { rowsOf } from '../../src/database/rows.ts';

const times = { createdAt: '2030-01-31T12:00:00+00:00', updatedAt: '2030-01-31T12:00:00+00:00' };
const agent = { ...initialContent, id: 'id', companyId: 'company', version: 1, ...times };

test('rows of a raw statement are returned as they are, old values and unknown members included', () => {
  const old = { ...agent, type: 'HOLOGRAM', questions: [1, null], metadata: { a: { b: 1e300 } }, later: true };
  expect(rowsOf(agentJsonSchema)([agent, old])).toEqual([agent, old]);
});

test.for([
  ['/version', { ...agent, version: '1' }],
  ['/name', { ...agent, name: null }],
  ['/metadata', { ...agent, metadata: 'secret' }],
  ['/id', {}],
] as const)('a row that does not match its schema is an error that names %s, and no value', ([path, row]) => {
  const read = () => rowsOf(agentJsonSchema)([agent, row]);
  expect(read).toThrow(`a statement returned a row of an unexpected shape: ${path} Expected`);
  expect(read).not.toThrow(/secret/);
});

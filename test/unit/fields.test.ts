import { expect, test } from 'vitest';
import { type AnyField, agentFields, fields, namesOf } from '../../src/agents/fields.ts';
import { fieldRows } from '../support/fields.ts';

const rows = namesOf(fieldRows);

test('the table of fields in the tests has exactly the fields of the server', () => {
  const missing = agentFields.filter((field) => !rows.includes(field));
  const row =
    'its column, whether it is required, whether null clears it, its initial value, good values and wrong ones';
  expect(missing, `add to fieldRows in test/support/fields.ts a row for ${missing.join(', ')}: ${row}`).toEqual([]);
  expect(rows, 'fieldRows in test/support/fields.ts has rows in the order of src/agents/fields.ts').toEqual(
    agentFields,
  );
});

test.for(rows)('%s has on the server the column, the initial value and the nullability of the contract', (name) => {
  const { column, isNullable, isRequired, initial, isAnswered }: AnyField = fields[name];
  const { isNullable: clears = false, isRequired: required = false, isHidden = false, ...row } = fieldRows[name];
  expect({ column, isNullable, isRequired, initial, isHidden: isAnswered === false }).toEqual({
    ...{ column: row.column, isNullable: clears, isRequired: required, initial: row.initial, isHidden },
  });
});

test.for(rows)(
  'each value of %s in the tests differs from the one before it, so that setting it is a change',
  (name) => {
    const { full, good, initial } = fieldRows[name];
    if (full !== undefined) expect(full).not.toEqual(initial);
    for (const [at, value] of good.entries()) expect(value).not.toEqual(at === 0 ? full : good[at - 1]);
  },
);

import { expect, test } from 'vitest';
import type { Fault } from '../../src/http/faults.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const notEncoded = (parameter: string): Fault => ({
  ...{ in: 'query', parameter, code: 'bad_format' },
  detail: 'must be percent-encoded UTF-8: é is %C3%A9, and % itself is %25',
});
const givenTwice: Fault = {
  ...{ in: 'query', parameter: 'name', code: 'too_many', detail: 'must be given once', limit: 1 },
};
const limit = 'must be a whole number from 1 to 100';

test.for([
  ['name=Caf%E9', [notEncoded('name')]],
  ['name=100%', [notEncoded('name')]],
  ['name=%zz', [notEncoded('name')]],
  ['name=%ED%A0%80', [notEncoded('name')]],
  ['na%6De=%C3', [notEncoded('name')]],
  ['name=a=%C3', [notEncoded('name')]],
  ['limit=%E9', [{ in: 'query', parameter: 'limit', code: 'wrong_type', detail: limit }, notEncoded('limit')]],
  ['name=%E9&name=a', [givenTwice, notEncoded('name')]],
  ['name=%E9&type=%E9x', undefined],
] as const)('the query %s has a value that is not percent-encoded UTF-8, and is refused', async ([query, errors]) => {
  const { key } = await world.company();
  const answer = await world.call(key, `GET /agents?${query}`);
  if (errors) expectProblem(answer, { code: 'VALIDATION_FAILED', instance: '/agents', errors });
  else expect(Object(answer.body).errors).toEqual(expect.arrayContaining([notEncoded('name'), notEncoded('type')]));
});

test('a company key ignores companyId, even if it is not percent-encoded UTF-8', async () => {
  const { key } = await world.company();
  const answer = await world.call(key, 'GET /agents?companyId=%E9&company%49d=%zz&name=%C3%A9%25');
  expect(answer.status).toBe(200);
});

test('the detail of a refusal is well-formed Unicode, even if it shows a part of a long name', async () => {
  const { key } = await world.company();
  const { status, body } = await world.call(key, `GET /agents?${'q'.repeat(299)}%F0%9F%98%80=1`);
  const { detail } = Object(body);
  expect({ status, isWellFormed: detail.isWellFormed() }).toEqual({ status: 400, isWellFormed: true });
  expect(detail).toContain(`${'q'.repeat(299)}\uFFFD`);
});

import { expect, test } from 'vitest';
import type { Fault } from '../../src/http/faults.ts';
import { encodingFaults } from '../../src/http/query-encoding.ts';
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

test('what decodeURIComponent refuses is refused, and nothing else: each first byte, with each kind of second one', () => {
  const isRefused = (text: string) => {
    try {
      decodeURIComponent(text);
      return false;
    } catch {
      return true;
    }
  };
  const firsts = Array.from({ length: 256 }, (_, byte) => `%${byte.toString(16).padStart(2, '0')}`);
  const seconds = ['', 'a', '%', '%8', '%8g', '%7F', '%80', '%8F', '%90', '%9F', '%a0', '%BF', '%C0', '%C3%A9'];
  const rests = ['', '%80', '%BF%bf', '%80%80%80', '%7F', '%80%C0', '%80a'];
  const texts = firsts.flatMap((first) => seconds.flatMap((second) => rests.map((rest) => first + second + rest)));
  const differs = (text: string) => isRefused(text) !== encodingFaults(`/?a=${text}`).length > 0;
  expect(texts.filter(differs)).toEqual([]);
});

/** The processor time of this process for thirty calls, in milliseconds. */
function costOf(task: () => unknown): number {
  const runOften = () => {
    for (let round = 0; round < 30; round += 1) task();
  };
  runOften();
  const before = process.cpuUsage();
  runOften();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

test('8,000 wrong escapes in a query are refused, and found at no more than ten times the cost of good ones', async () => {
  const { key } = await world.company();
  const wrong = `/api-key?${'%=%&'.repeat(4_000)}`;
  const unknown: Fault = {
    ...{ in: 'query', parameter: '%', code: 'unknown_member' },
    detail: 'is not known; what can be set is companyId',
  };
  expectProblem(await world.call(key, `GET ${wrong}`), {
    ...{ code: 'VALIDATION_FAILED', instance: '/api-key' },
    errors: [unknown, notEncoded('%')],
  });
  const good = `/api-key?${'%41=%41&'.repeat(2_000)}`;
  const times = costOf(() => encodingFaults(wrong)) / costOf(() => encodingFaults(good));
  console.log(`${times.toFixed(1)} times`);
  expect(times).toBeLessThan(10);
});

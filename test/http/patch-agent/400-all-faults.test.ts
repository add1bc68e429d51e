import { test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { fullFields, notSettable } from '../../support/fields.ts';
import { expectRefusal, newSubject, sendText } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const uuid = 'must be a UUID: hexadecimal digits as 8-4-4-4-12';

test('the faults of path, query, headers and body are reported together', async () => {
  const agent = await newSubject(world, fullFields);
  const errors: Fault[] = [
    { in: 'path', parameter: 'id', code: 'bad_format', detail: uuid },
    {
      in: 'query',
      parameter: 'dryrun',
      code: 'unknown_member',
      detail: 'is not known; did you mean dryRun?',
    },
    {
      in: 'header',
      parameter: 'if-match',
      code: 'bad_format',
      detail: 'must be * or a list of entity tags, each in double quotes',
    },
    { in: 'body', pointer: '#/name', code: 'too_short', detail: 'must have at least 2 characters', limit: 2 },
    { in: 'body', pointer: '#/duration', code: 'too_large', detail: 'must be at most 180', limit: 180 },
  ];
  const options = { query: '?dryrun=maybe', headers: { 'if-match': '7' } };
  const send = () => world.patch(agent.key, 'not-a-uuid', { duration: 181, name: 'a' }, options);
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', instance: '/agents/not-a-uuid', errors });
});

test('one value may have several faults', async () => {
  const agent = await newSubject(world, fullFields);
  const errors: Fault[] = [
    { in: 'body', pointer: '#/questions/0', code: 'too_short', detail: 'must have at least 1 character', limit: 1 },
    { in: 'body', pointer: '#/questions/0', code: 'blank', detail: 'must not be only white space' },
  ];
  const send = () => world.patch(agent.key, agent.id, { questions: ['', 'fine'] });
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
});

/** The first 20 faults of one kind. */
const first = (fault: (position: number) => Fault) => Array.from({ length: 20 }, (_, position) => fault(position));

const many = [
  {
    what: 'wrong questions',
    body: JSON.stringify({ questions: Array(50).fill(1) }),
    count: 50,
    errors: first((at) => ({
      in: 'body',
      pointer: `#/questions/${at}`,
      code: 'wrong_type',
      detail: 'must be a string',
    })),
  },
  {
    what: 'inexact numbers',
    body: `{"metadata":{"n":[${Array(400).fill('1e999').join(',')}]}}`,
    count: 400,
    errors: first((at) => ({
      in: 'body',
      pointer: `#/metadata/n/${at}`,
      code: 'too_large',
      detail:
        'must be a number that JavaScript holds exactly: finite, and as an integer within ±(2^53 − 1); send larger ids as strings',
      limit: 2 ** 53 - 1,
    })),
  },
  {
    what: 'nested forbidden keys',
    body: `{"metadata":${'{"__proto__":'.repeat(18_000)}1${'}'.repeat(18_000)}}`,
    count: 18_000,
    errors: first((at) => ({
      in: 'body',
      pointer: `#/metadata/${Array(at + 1)
        .fill('__proto__')
        .join('/')}`,
      code: 'not_allowed',
      detail: 'must not be a key: __proto__, and prototype inside constructor, are refused',
    })),
  },
  {
    what: 'unknown members',
    body: JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`unknown-${at}`, 1]))),
    count: 10_000,
    errors: first((at) => ({
      in: 'body',
      pointer: `#/unknown-${at}`,
      ...notSettable,
    })),
  },
];

test.for(many)('of many $what the first twenty are listed and all are counted', async ({ body, count, errors }) => {
  const agent = await newSubject(world, fullFields);
  const expected = { code: 'VALIDATION_FAILED', errors, count } as const;
  await expectRefusal(world, agent.id, () => sendText(world, agent, body), expected);
});

test('of a list that is too long, the items up to the first that is too many are counted, and no others', async () => {
  const agent = await newSubject(world, fullFields);
  const tooMany: Fault = {
    ...{ in: 'body', pointer: '#/questions', code: 'too_many', detail: 'must have at most 50 items', limit: 50 },
  };
  const wrong = first((at) => ({
    in: 'body',
    pointer: `#/questions/${at}`,
    code: 'wrong_type',
    detail: 'must be a string',
  }));
  const errors = [tooMany, ...wrong.slice(0, 19)];
  const send = () => world.patch(agent.key, agent.id, { questions: Array(100).fill(1) });
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors, count: 52 });
});

test('twenty faults are all listed', async () => {
  const agent = await newSubject(world, fullFields);
  const errors = first((at) => ({
    in: 'body',
    pointer: `#/questions/${at}`,
    code: 'not_null',
    detail: 'must be a string, not null',
  }));
  const send = () => world.patch(agent.key, agent.id, { questions: Array(20).fill(null) });
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
});

test('an unknown query parameter is refused, with one fault however often it is repeated', async () => {
  const agent = await newSubject(world, fullFields);
  const detail = 'is not known; did you mean companyId?';
  const errors: Fault[] = [{ in: 'query', parameter: 'companyid', code: 'unknown_member', detail }];
  const send = () => world.patch(agent.key, agent.id, {}, { query: '?companyid=a&companyid=b' });
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
});

const badIds = ['%00', '%7Babc%7D', 'abc', 'urn:uuid:', '..%2f', '%F0%9F%98%80'];

test.for(badIds)('the path id "%s" is reported as no UUID', async (id) => {
  const agent = await newSubject(world);
  const errors: Fault[] = [{ in: 'path', parameter: 'id', code: 'bad_format', detail: uuid }];
  const expected = { code: 'VALIDATION_FAILED', instance: `/agents/${id}`, errors } as const;
  await expectRefusal(world, agent.id, () => world.patch(agent.key, id, { name: 'Nobody' }), expected);
});

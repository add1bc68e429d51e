import { test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { fieldEntries, fullFields } from '../../support/fields.ts';
import { expectRefusal, newSubject, sendText } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const samples = { string: 'text', number: 5, boolean: true, array: ['text'], object: { set: 'text' } };

test.for(fieldEntries)('%s refuses values of every other JSON type', async ([field, { words, jsonType }]) => {
  const agent = await newSubject(world, fullFields);
  const errors: Fault[] = [{ in: 'body', pointer: `#/${field}`, code: 'wrong_type', detail: `must be ${words}` }];
  for (const [name, value] of Object.entries(samples)) {
    if (name === jsonType) continue;
    const send = () => world.patch(agent.key, agent.id, { [field]: value });
    await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
  }
});

const notNullable = fieldEntries.filter(([, { isNullable }]) => !isNullable);

test.for(notNullable)('a null %s is refused', async ([field, { words }]) => {
  const agent = await newSubject(world, fullFields);
  const detail = `must be ${words}, not null`;
  const errors: Fault[] = [{ in: 'body', pointer: `#/${field}`, code: 'not_null', detail }];
  const send = () => world.patch(agent.key, agent.id, { [field]: null });
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
});

const refused = fieldEntries.flatMap(([field, { wrong }]) =>
  wrong.map(([json, place, said]) => ({
    field,
    json,
    fault: { in: 'body', pointer: `#/${field}${place}`, ...said } as const,
  })),
);

test.for(refused)('$field refuses $json', async ({ field, json, fault }) => {
  const agent = await newSubject(world, fullFields);
  const body = `{"name":"Would be fine","${field}":${json}}`.replace(/"name":"Would be fine",(?="name")/, '');
  await expectRefusal(world, agent.id, () => sendText(world, agent, body), {
    code: 'VALIDATION_FAILED',
    errors: [fault],
  });
});

import { describe, expect, test } from 'vitest';
import type { Fault } from '../../src/http/faults.ts';
import { problemTexts } from '../../src/http/problem-texts.ts';
import { expectChange, expectRefusal, newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** An agent at version 2. */
async function agentAtTwo() {
  const agent = await newSubject(world);
  await expectChange(world, agent, { name: 'Second' }, { name: 'Second' });
  return agent;
}

describe.each([
  ['DELETE', 204, ''],
  ['POST', 200, '/versions/1/restore'],
] as const)('If-None-Match on %s', (method, success, rest) => {
  const send = ({ id, key }: { id: string; key: string }, tags: string) =>
    world.call(key, `${method} /agents/${id}${rest}`, { headers: { 'if-none-match': tags } });

  test.for(['*', '"2"', 'W/"2"', '"1", "2"'])('%s is 412 at version 2, with its entity tag', async (tags) => {
    const agent = await agentAtTwo();
    const instance = `/agents/${agent.id}${rest}`;
    const expected = { code: 'PRECONDITION_FAILED', detail: problemTexts.tagExcluded, instance } as const;
    const answer = await expectRefusal(world, agent.id, () => send(agent, tags), expected);
    expect(answer.headers.etag).toBe('"2"');
  });

  test('with other entity tags changes the agent, and one that cannot be parsed is 400', async () => {
    const agent = await agentAtTwo();
    const detail = 'must be * or a list of entity tags, each in double quotes';
    const errors: Fault[] = [{ in: 'header', parameter: 'if-none-match', code: 'bad_format', detail }];
    const instance = `/agents/${agent.id}${rest}`;
    await expectRefusal(world, agent.id, () => send(agent, '2'), { code: 'VALIDATION_FAILED', instance, errors });
    expect(await send(agent, '"1", "3"')).toMatchObject({ status: success });
  });
});

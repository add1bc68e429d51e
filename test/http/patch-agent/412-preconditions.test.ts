import { expect, test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { problems } from '../../../src/http/problems.ts';
import { expectChange, expectRefusal, newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** An agent at version 2. */
async function agentAtTwo() {
  const agent = await newSubject(world);
  await expectChange(world, agent, { name: 'Second' }, { name: 'Second' });
  return agent;
}

const patch = (agent: { id: string; key: string }, headers: Record<string, string | string[]>, body: object) =>
  world.patch(agent.key, agent.id, body, { headers });

const passes: readonly Record<string, string | string[]>[] = [
  { 'if-match': '"2"' },
  { 'if-match': '*' },
  { 'if-match': ' * ' },
  { 'if-match': '"1", "2"' },
  { 'if-match': '"2","3"' },
  { 'if-match': ', "2" ,\t,' },
  { 'if-match': 'W/"2", "2"' },
  { 'if-match': '"1,0", "2"' },
  { 'if-match': ['"1"', '"2"'] },
  { 'if-none-match': '"1"' },
  { 'if-none-match': 'W/"1", "3"' },
  { 'if-none-match': '"2,"' },
  { 'if-match': '"2"', 'if-none-match': '"1"' },
];

test.for(passes)('a patch of version 2 with %o is written', async (headers) => {
  const agent = await agentAtTwo();
  const answer = await patch(agent, headers, { name: 'Third' });
  expect(answer).toMatchObject({ status: 200, body: { name: 'Third' }, headers: { etag: '"3"' } });
});

const stale = problems.PRECONDITION_FAILED.detail;
const { tagForeign, tagExcluded } = problemTexts;

const fails: readonly (readonly [Record<string, string | string[]>, detail: string])[] = [
  [{ 'if-match': '"1"' }, stale],
  [{ 'if-match': '"3"' }, stale],
  [{ 'if-match': 'W/"2", "1"' }, stale],
  [{ 'if-match': '"02"' }, stale],
  [{ 'if-match': 'W/"2"' }, tagForeign],
  [{ 'if-match': '"2-gzip"' }, tagForeign],
  [{ 'if-match': 'W/"2", "2-br"' }, tagForeign],
  [{ 'if-match': '"2.0"' }, tagForeign],
  [{ 'if-match': '"1,2"' }, tagForeign],
  [{ 'if-match': '",2,"' }, tagForeign],
  [{ 'if-match': '""' }, tagForeign],
  [{ 'if-match': '"*"' }, tagForeign],
  [{ 'if-match': '"é"' }, tagForeign],
  [{ 'if-none-match': '*' }, tagExcluded],
  [{ 'if-none-match': '"2"' }, tagExcluded],
  [{ 'if-none-match': 'W/"2"' }, tagExcluded],
  [{ 'if-none-match': '"1", "2"' }, tagExcluded],
  [{ 'if-match': '"2"', 'if-none-match': '"2"' }, tagExcluded],
  [{ 'if-match': '"1"', 'if-none-match': '"1"' }, stale],
];

test.for(fails)('a patch of version 2 with %o answers 412 with the current entity tag', async ([headers, detail]) => {
  const agent = await agentAtTwo();
  const send = () => patch(agent, headers, { name: 'Must not stick' });
  const answer = await expectRefusal(world, agent.id, send, { code: 'PRECONDITION_FAILED', detail });
  expect(answer.headers.etag).toBe('"2"');
});

test('the detail for an entity tag that a proxy changed shows the change and does not advise to read again', () => {
  for (const part of ['proxy', 'W/"7"', '"7-gzip"', '"7"']) expect(tagForeign).toContain(part);
  expect(tagForeign).not.toMatch(/again/);
});

const unparsable = ['2', '"2', '2"', "'2'", '"1" "2"', 'w/"2"', 'W/2', 'W/ "2"', '*, "2"', '"2", *', ',', '', '"a b"'];

test.for(unparsable.flatMap((text) => ['if-match', 'if-none-match'].map((name) => [name, text] as const)))(
  'the %s %o is refused as no list of entity tags',
  async ([name, text]) => {
    const agent = await agentAtTwo();
    const detail = 'must be * or a list of entity tags, each in double quotes';
    const errors: Fault[] = [{ in: 'header', parameter: name, code: 'bad_format', detail }];
    const send = () => patch(agent, { [name]: text }, { name: 'Must not stick' });
    await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
  },
);

test('a stale precondition answers 412 even if the patch changes nothing', async () => {
  const agent = await agentAtTwo();
  await expectRefusal(world, agent.id, () => patch(agent, { 'if-match': '"1"' }, {}), { code: 'PRECONDITION_FAILED' });
});

test('If-Match accepts the entity tag of each answer', async () => {
  const agent = await newSubject(world);
  let etag = '"1"';
  for (const name of ['One', 'Two', 'Two', 'Three']) {
    const answer = await patch(agent, { 'if-match': etag }, { name });
    expect(answer).toMatchObject({ status: 200, body: { name } });
    etag = String(answer.headers.etag);
  }
  expect(etag).toBe('"4"');
});

test('a deleted agent answers 404 and another company’s 403, whatever the precondition', async () => {
  const agent = await newSubject(world);
  const other = await newSubject(world);
  for (const headers of [{ 'if-match': '"99"' }, { 'if-match': '*' }, { 'if-none-match': '*' }]) {
    const foreign = { id: other.id, key: agent.key };
    await expectRefusal(world, other.id, () => patch(foreign, headers, {}), { code: 'RESOURCE_ACCESS_DENIED' });
  }
  await world.deleteAgent(agent.id);
  for (const headers of [{ 'if-match': '"99"' }, { 'if-match': '*' }, { 'if-none-match': '*' }]) {
    await expectRefusal(world, agent.id, () => patch(agent, headers, {}), { code: 'RESOURCE_NOT_FOUND' });
  }
});

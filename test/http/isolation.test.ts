import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Fault } from '../../src/http/faults.ts';
import type { ProblemCode } from '../../src/http/problems.ts';
import { draft, forCompany, onAgent, pathOf } from '../support/endpoints.ts';
import type { Answer } from '../support/http.ts';
import { expectRefusal } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** "Own" is the company of the company key. The first ATS key manages it; the second manages only "other". */
const keyKinds = ['company key', 'ATS key of own', 'ATS key of other'] as const;
const forms = ['own', 'own in upper case', 'other', 'unknown', 'missing', 'empty', 'malformed', 'repeated'] as const;
const agentKinds = ['own living', 'own deleted', 'other living', 'other deleted', 'never existed'] as const;
type KeyKind = (typeof keyKinds)[number];
type Form = (typeof forms)[number];
type AgentKind = (typeof agentKinds)[number];

/** Steps 7, 10 and 11 of the order of checks, independent of the code under test. Undefined means 200. */
function expectedCode(key: KeyKind, form: Form, agent: AgentKind): ProblemCode | undefined {
  const named = form === 'other' ? 'other' : form.startsWith('own') ? 'own' : undefined;
  if (key !== 'company key') {
    if (form === 'missing' || form === 'empty') return 'COMPANY_ID_REQUIRED';
    if (form === 'malformed' || form === 'repeated') return 'VALIDATION_FAILED';
    if (named === undefined || !key.endsWith(named)) return 'COMPANY_ACCESS_DENIED';
  }
  if (!agent.endsWith('living')) return 'RESOURCE_NOT_FOUND';
  return agent === `${key === 'company key' ? 'own' : named} living` ? undefined : 'RESOURCE_ACCESS_DENIED';
}

const uuidFault = 'must be a UUID: hexadecimal digits as 8-4-4-4-12';
const repeatedFault = { code: 'too_many', detail: 'must be given once', limit: 1 } as const;

/** The problem `code`, with the fault of companyId if companyId is what is refused. */
function refusal(code: ProblemCode, form: Form): { readonly code: ProblemCode; readonly errors?: readonly Fault[] } {
  if (code !== 'VALIDATION_FAILED') return { code };
  const fault = form === 'repeated' ? repeatedFault : ({ code: 'bad_format', detail: uuidFault } as const);
  return { code, errors: [{ in: 'query', parameter: 'companyId', ...fault }] };
}

async function openCase() {
  const [own, other] = await Promise.all([world.company(), world.company()]);
  const [atsOfOwn, atsOfOther] = await Promise.all([world.ats(own.id), world.ats(other.id)]);
  const ids: Record<AgentKind, string> = {
    'own living': (await world.agent(own.id)).id,
    'own deleted': (await world.agent(own.id)).id,
    'other living': (await world.agent(other.id)).id,
    'other deleted': (await world.agent(other.id)).id,
    'never existed': randomUUID(),
  };
  await Promise.all([world.phoneNumber(own.id), world.phoneNumber(other.id)]);
  await Promise.all([world.deleteAgent(ids['own deleted']), world.deleteAgent(ids['other deleted'])]);
  const keys: Record<KeyKind, string> = {
    'company key': own.key,
    'ATS key of own': atsOfOwn.key,
    'ATS key of other': atsOfOther.key,
  };
  const queries: Record<Form, string> = {
    own: `?companyId=${own.id}`,
    'own in upper case': `?companyId=${own.id.toUpperCase()}`,
    other: `?companyId=${other.id}`,
    unknown: `?companyId=${randomUUID()}`,
    missing: '',
    empty: '?companyId=',
    malformed: `?companyId=${own.id.replaceAll('-', '')}`,
    repeated: `?companyId=${own.id}&companyId=${own.id}`,
  };
  const { 'never existed': _, ...existing } = ids;
  const stored = () => Promise.all(Object.values(existing).map((id) => storedAgent(world, id)));
  return { ids, keys, queries, stored, companies: { own: own.id, other: other.id } };
}

const cases = keyKinds.flatMap((kind) => forms.map((form) => [kind, form] as const));

test.for(cases)(
  'the %s with companyId %s reaches exactly the agents that the contract allows, on every route of an agent',
  async ([kind, form]) => {
    const { ids, keys, queries, stored } = await openCase();
    let before = await stored();
    for (const { line, status, body } of onAgent) {
      for (const agentKind of agentKinds) {
        const [id, code] = [ids[agentKind], expectedCode(kind, form, agentKind)];
        const named = line.replace(':id', id);
        const answer = await world.call(keys[kind], `${named}${queries[form]}`, { body });
        const after = await stored();
        if (code === undefined) {
          const others = (all: typeof before) => all.filter(({ row }) => row.id !== id);
          expect({ line, status: answer.status }).toEqual({ line, status });
          expect(others(after)).toEqual(others(before));
        } else {
          expectProblem(answer, { ...refusal(code, form), instance: pathOf(named) });
          expect(answer.headers).not.toHaveProperty('etag');
          expect(after).toEqual(before);
        }
        before = after;
      }
    }
  },
);

test.for(cases)('the %s with companyId %s lists and creates for its own company alone', async ([kind, form]) => {
  const { keys, queries, companies } = await openCase();
  const code = expectedCode(kind, form, kind.endsWith('other') ? 'other living' : 'own living');
  const companyId = kind.endsWith('other') ? companies.other : companies.own;
  for (const { line, status, body } of forCompany) {
    const answer = await world.call(keys[kind], `${line}${queries[form]}`, { body });
    if (code === undefined) {
      expect(answer.status).toBe(status);
      const owners = [...answer.text.matchAll(/"companyId":"([^"]*)"/g)].map(([, owner]) => owner);
      expect(owners.length).toBeGreaterThan(0);
      expect(new Set(owners)).toEqual(new Set([companyId]));
    } else {
      expectProblem(answer, { ...refusal(code, form), instance: pathOf(line) });
    }
  }
  const { rows } = await world.sql.query('SELECT company_id AS owner FROM agent WHERE name = $1', [draft.name]);
  expect(rows.filter(({ owner }) => Object.values(companies).includes(owner))).toEqual(
    code === undefined ? [{ owner: companyId }] : [],
  );
});

/** An answer without the parts that differ between two equal requests. */
async function comparable(answer: Promise<Answer>) {
  const { status, headers, text } = await answer;
  const { date, 'x-request-id': requestId, ...others } = headers;
  return { status, headers: others, text: text.replace(String(requestId), 'ID') };
}

test('a company that the ATS does not manage and one that does not exist get the same answer', async () => {
  const { ids, keys } = await openCase();
  const { patch } = world.client(keys['ATS key of own']);
  const name = (companyId: string) => comparable(patch(ids['own living'], {}, { query: { companyId } }));
  expect(await name((await world.company()).id)).toEqual(await name(randomUUID()));
});

test('the refusal of another company’s agent reveals nothing about the agent or its owner', async () => {
  const { keys } = await openCase();
  const { id: companyId } = await world.company();
  const agent = await world.agent(companyId, { name: 'Classified', voiceId: 'EVA' });
  const companyPhoneNumberId = await world.phoneNumber(companyId);
  await world.sql.query('UPDATE agent SET company_phone_number_id = $2 WHERE id = $1', [
    agent.id,
    companyPhoneNumberId,
  ]);
  const answer = await world.client(keys['company key']).patch(agent.id, {});
  expect(answer.status).toBe(403);
  for (const secret of [companyId, companyPhoneNumberId, 'Classified', 'EVA']) {
    expect(JSON.stringify([answer.text, answer.headers])).not.toContain(secret);
  }
});

test('an ATS key acts for one of its companies in each request, and the history names the key', async () => {
  const [one, two] = await Promise.all([world.company(), world.company()]);
  const ats = await world.ats(one.id, two.id);
  const { id } = await world.agent(one.id);
  const send = (companyId: string) => world.client(ats.key).patch(id, { name: 'Whose' }, { query: { companyId } });
  await expectRefusal(world, id, () => send(two.id), { code: 'RESOURCE_ACCESS_DENIED' });
  expect(await send(one.id)).toMatchObject({ status: 200, body: { id, companyId: one.id, name: 'Whose' } });
  expect((await world.history(id)).map(({ keyId }) => keyId)).toEqual([null, ats.keyId]);
});

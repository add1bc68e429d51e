import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Fault } from '../../src/http/faults.ts';
import type { ProblemCode } from '../../src/http/problems.ts';
import { draft, forCompany, onAgent, pathOf } from '../support/endpoints.ts';
import type { Answer } from '../support/http.ts';
import { expectRefusal } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
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

/** Two companies with a living and a deleted agent each, and keys: the same for all cases. */
async function openScene() {
  const [own, other] = await Promise.all([world.company(), world.company()]);
  const [atsOfOwn, atsOfOther] = await Promise.all([world.ats(own.id), world.ats(other.id)]);
  await Promise.all([world.agent(own.id), world.agent(other.id)]);
  const deleted = { own: (await world.agent(own.id)).id, other: (await world.agent(other.id)).id };
  await Promise.all([world.phoneNumber(own.id), world.phoneNumber(other.id)]);
  await Promise.all([world.deleteAgent(deleted.own), world.deleteAgent(deleted.other)]);
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
  return { deleted, keys, queries, companies: { own: own.id, other: other.id } };
}

const { deleted, keys, queries, companies } = await openScene();

/** An agent of each kind; the living ones are new. */
async function newAgents(): Promise<Record<AgentKind, string>> {
  return {
    'own living': (await world.agent(companies.own)).id,
    'own deleted': deleted.own,
    'other living': (await world.agent(companies.other)).id,
    'other deleted': deleted.other,
    'never existed': randomUUID(),
  };
}

/** The row of each agent that exists, with its history. */
async function storedTexts(ids: readonly string[]): Promise<{ readonly id: string; readonly text: string }[]> {
  const sql = `SELECT id, to_jsonb(a)::text ||
                      (SELECT jsonb_agg(to_jsonb(v) ORDER BY version) FROM agent_version v WHERE v.agent_id = a.id)::text AS text
                 FROM agent a WHERE id = ANY($1) ORDER BY id`;
  return (await world.sql.query(sql, [ids])).rows;
}

const cases = keyKinds.flatMap((kind) => forms.map((form) => [kind, form] as const));

test.for(cases)(
  'the %s with companyId %s reaches exactly the agents that the contract allows, on every route of an agent',
  async ([kind, form]) => {
    const ids = await newAgents();
    const stored = () => storedTexts(Object.values(ids));
    let before = await stored();
    for (const { line, status, body } of onAgent) {
      const named = (agentKind: AgentKind) => line.replace(':id', ids[agentKind]);
      const send = (agentKind: AgentKind) => world.call(keys[kind], `${named(agentKind)}${queries[form]}`, { body });
      const refuse = async (agentKind: AgentKind) => {
        const code = expectedCode(kind, form, agentKind);
        if (code === undefined) return;
        const answer = await send(agentKind);
        expectProblem(answer, { ...refusal(code, form), instance: pathOf(named(agentKind)) });
        expect(answer.headers).not.toHaveProperty('etag');
      };
      await Promise.all(agentKinds.map(refuse));
      expect(await stored()).toEqual(before);
      for (const agentKind of agentKinds) {
        if (expectedCode(kind, form, agentKind) !== undefined) continue;
        expect({ line, status: (await send(agentKind)).status }).toEqual({ line, status });
        const after = await stored();
        const others = (all: typeof before) => all.filter(({ id }) => id !== ids[agentKind]);
        expect(others(after)).toEqual(others(before));
        before = after;
      }
    }
  },
);

test.for(cases)('the %s with companyId %s lists and creates for its own company alone', async ([kind, form]) => {
  const before = await drafted();
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
  const created = (await drafted()).slice(before.length);
  expect(created).toEqual(code === undefined ? [{ owner: companyId }] : []);
});

/** The owner of each agent that a request has created, in the order of their creation. */
async function drafted(): Promise<{ readonly owner: string }[]> {
  const sql = 'SELECT company_id AS owner FROM agent WHERE name = $1 ORDER BY created_at';
  return (await world.sql.query(sql, [draft.name])).rows;
}

/** An answer without the parts that differ between two equal requests. */
async function comparable(answer: Promise<Answer>) {
  const { status, headers, text } = await answer;
  const { date, 'x-request-id': requestId, ...others } = headers;
  return { status, headers: others, text: text.replace(String(requestId), 'ID') };
}

test('a company that the ATS does not manage and one that does not exist get the same answer', async () => {
  const ids = await newAgents();
  const { patch } = world.client(keys['ATS key of own']);
  const name = (companyId: string) => comparable(patch(ids['own living'], {}, { query: { companyId } }));
  expect(await name((await world.company()).id)).toEqual(await name(randomUUID()));
});

test('the refusal of another company’s agent reveals nothing about the agent or its owner', async () => {
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

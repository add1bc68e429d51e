import { expect, test } from 'vitest';
import type { Json, JsonObject } from '../../src/http/json.ts';
import type { Answer } from '../support/http.ts';
import { mergePatch } from '../support/merge-patch.ts';
import { fill } from '../support/placeholders.ts';
import { expectProblemShape } from '../support/problem.ts';
import { type Report, readReports, toSent } from '../support/public-reports.ts';
import {
  answerOf,
  answerOfVersion,
  asColumns,
  type Row,
  type StoredAgent,
  storedAgent,
  versionIn,
} from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** What a request may name and not change: the same for all cases. */
async function openScene() {
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const [ats, otherAgent, deleted, phone, otherPhone] = await Promise.all([
    world.ats(company.id),
    world.agent(other.id),
    world.agent(company.id),
    world.phoneNumber(company.id),
    world.phoneNumber(other.id),
  ]);
  await world.deleteAgent(deleted.id);
  const values = {
    OTHER_AGENT_ID: otherAgent.id,
    DELETED_AGENT_ID: deleted.id,
    COMPANY_ID: company.id,
    OTHER_COMPANY_ID: other.id,
    PHONE_ID: phone,
    OTHER_PHONE_ID: otherPhone,
    KEY: company.key,
    ATS_KEY: ats.key,
  };
  return { values, companyId: company.id, others: [otherAgent.id, deleted.id] };
}

const scene = await openScene();

/** The values of all placeholders of a case with an agent of its own, and the agents that its request may touch. */
async function openCase() {
  const agent = await world.agent(scene.companyId);
  const values = { ...scene.values, AGENT_ID: agent.id };
  return {
    values,
    setUp: (patch: unknown) => world.patch(values.KEY, agent.id, fill(patch, values)),
    own: () => storedAgent(world, agent.id),
    others: () => Promise.all(scene.others.map((id) => storedAgent(world, id))),
  };
}

/** Sends the request of a case as many times in parallel as the case says. */
async function run({ request, parallel = 1 }: Report, values: Record<string, string>) {
  const requests = Array.from({ length: parallel }, (_, i) => toSent(fill(request, { ...values, i: String(i) })));
  const answers = await Promise.all(requests.map(world.send));
  const paths = requests.map(({ path }) => path.split('?', 1)[0] ?? '');
  return { answers, paths, bodies: requests.map(({ body }) => String(body)) };
}

function expectAnswer(answer: Answer, path: string, { status, bodyMustNotMatch, expectHeader = {} }: Report['expect']) {
  expect([status].flat()).toContain(answer.status);
  if (answer.status !== 200) expectProblemShape(answer, path);
  if (bodyMustNotMatch) expect(answer.text).not.toMatch(new RegExp(bodyMustNotMatch, 'i'));
  for (const [name, pattern] of Object.entries(expectHeader)) expect(answer.headers[name]).toMatch(new RegExp(pattern));
}

/** The row that a patch should leave: members that it names as sent, all others unchanged. */
function patched({ text }: StoredAgent, sent: string): Row {
  const row: Record<string, Json> = JSON.parse(text);
  const { metadata = {}, companyPhoneNumberId, ...fields }: JsonObject = JSON.parse(sent);
  const number = typeof companyPhoneNumberId === 'string' ? companyPhoneNumberId.toLowerCase() : companyPhoneNumberId;
  return {
    ...row,
    ...asColumns({ ...fields, ...(number !== undefined && { companyPhoneNumberId: number }) }),
    metadata: mergePatch(row['metadata'], metadata),
  };
}

const reports = (await readReports()).filter(({ sqlSetup }) => sqlSetup === undefined);

test('every public report is tested, except three that change the database first', () => {
  expect(reports).toHaveLength(140);
});

test.for(reports)('report $id: $title', async (report) => {
  const { values, setUp, own, others } = await openCase();
  for (const patch of report.setup ?? []) expect((await setUp(patch)).status).toBe(200);
  const [before, othersBefore] = [await own(), await others()];
  const { answers, paths, bodies } = await run(report, values);

  answers.forEach((answer, i) => {
    expectAnswer(answer, paths[i] ?? '', report.expect);
  });
  const after = await own();
  const accepted = answers.filter(({ status }) => status === 200);
  if (accepted.length === 0) expect(after).toEqual(before);
  for (const answer of accepted) expect(answer.body).toEqual(answerOfVersion(after, versionIn(answer)));
  if (answers.length === 1 && accepted.length === 1) {
    const { version, updated_at } = after.row;
    expect(after.row).toEqual({ ...patched(before, bodies[0] ?? ''), version, updated_at });
    for (const { body } of accepted) expect(body).toEqual(answerOf(after.row));
  }
  if (answers.length === accepted.length) expect(after.row.version).toBe(Math.max(...accepted.map(versionIn)));
  expect(await others()).toEqual(othersBefore);
});

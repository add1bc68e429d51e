import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { defaultScopes, scopes } from '../../../src/auth/api-key.ts';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { forOwner, onWebhook, pathOf } from '../../support/endpoints.ts';
import { whileLocked } from '../../support/locks.ts';
import { expectProblem } from '../../support/problem.ts';
import { named, newWebhook, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** A company, an integration that manages it, and others; the first two have an endpoint with a delivery each. */
async function openCase() {
  const [own, other] = [await world.company(), await world.company()];
  const ats = await world.ats(own.id);
  const stranger = await world.ats(other.id);
  const ofCompany = await newWebhook(world, own.key);
  const ofAts = await newWebhook(world, ats.key);
  await world.agent(own.id);
  const delivery = async ({ id }: { id: string }) =>
    String((await world.sql.query('SELECT id FROM webhook_delivery WHERE endpoint_id = $1', [id])).rows[0].id);
  const subject = async (hook: { id: string }) => ({ id: hook.id, delivery: await delivery(hook) });
  return { own, other, ats, stranger, ofCompany: await subject(ofCompany), ofAts: await subject(ofAts) };
}
type Opened = Awaited<ReturnType<typeof openCase>>;

let opened: Opened;
beforeAll(async () => {
  opened = await openCase();
});

const foreign =
  'The webhook belongs to another owner. With the key of an integration, send the companyId with which the webhook was made, ' +
  'or none if it was made without.';

/** Each caller and endpoint, and whether the caller may use it. */
const attempts: readonly (readonly [
  who: string,
  key: (on: Opened) => string,
  query: (on: Opened) => string,
  hook: 'ofCompany' | 'ofAts',
  isAllowed: boolean,
])[] = [
  ['the company, its own', ({ own }) => own.key, () => '', 'ofCompany', true],
  ['its ATS for the company', ({ ats }) => ats.key, ({ own }) => `?companyId=${own.id}`, 'ofCompany', true],
  ['the ATS, its own', ({ ats }) => ats.key, () => '', 'ofAts', true],
  ['the ATS as a whole, the company’s', ({ ats }) => ats.key, () => '', 'ofCompany', false],
  ['the ATS for the company, its own', ({ ats }) => ats.key, ({ own }) => `?companyId=${own.id}`, 'ofAts', false],
  ['the company, that of its ATS', ({ own }) => own.key, () => '', 'ofAts', false],
  ['another company', ({ other }) => other.key, ({ own }) => `?companyId=${own.id}`, 'ofCompany', false],
  ['another company, that of an ATS', ({ other }) => other.key, () => '', 'ofAts', false],
  ['another ATS', ({ stranger }) => stranger.key, () => '', 'ofAts', false],
  [
    'another ATS for its company',
    ({ stranger }) => stranger.key,
    ({ other }) => `?companyId=${other.id}`,
    'ofCompany',
    false,
  ],
];

test.for(attempts)(
  'every route on an endpoint is allowed to its owner alone: %s',
  async ([, key, query, hook, isAllowed]) => {
    const on = isAllowed ? await openCase() : opened;
    const before = await webhookRow(world, on[hook].id);
    for (const { line, status, body } of onWebhook) {
      const path = named(line, on[hook]);
      const answer = await world.call(key(on), `${path}${query(on)}`, { body });
      if (isAllowed) expect([line, answer.status]).toEqual([line, status]);
      else expectProblem(answer, { code: 'RESOURCE_ACCESS_DENIED', instance: pathOf(path), detail: foreign });
    }
    if (isAllowed) return;
    expect(await webhookRow(world, on[hook].id)).toEqual(before);
    const { rows } = await world.sql.query('SELECT id FROM webhook_delivery WHERE endpoint_id = $1', [on[hook].id]);
    expect(rows).toEqual([{ id: on[hook].delivery }]);
  },
);

test('every change of another owner’s endpoint is refused without waiting for its row', async () => {
  const { ofCompany, ofAts } = opened;
  const before = await Promise.all([webhookRow(world, ofCompany.id), webhookRow(world, ofAts.id)]);
  const lock = 'SELECT FROM webhook_endpoint WHERE id = ANY($1) FOR UPDATE';
  await whileLocked(world, lock, [[ofCompany.id, ofAts.id]], async () => {
    for (const [who, key, query, hook, isAllowed] of attempts) {
      for (const { line, scope, body } of onWebhook) {
        if (isAllowed || scope !== 'write:webhooks') continue;
        const path = named(line, opened[hook]);
        const answer = await world.call(key(opened), `${path}${query(opened)}`, { body });
        expect([who, line, answer.status]).toEqual([who, line, 403]);
        expectProblem(answer, { code: 'RESOURCE_ACCESS_DENIED', instance: pathOf(path), detail: foreign });
      }
    }
  });
  expect(await Promise.all([webhookRow(world, ofCompany.id), webhookRow(world, ofAts.id)])).toEqual(before);
});

test('GET /webhooks lists the endpoints of the owner and no others', async () => {
  const { own, other, ats, stranger, ofCompany, ofAts } = await openCase();
  const ids = async (key: string, query = '') =>
    Object((await world.call(key, `GET /webhooks${query}`)).body).data.map(({ id }: { id: string }) => id);
  expect(await ids(own.key)).toEqual([ofCompany.id]);
  expect(await ids(ats.key)).toEqual([ofAts.id]);
  expect(await ids(ats.key, `?companyId=${own.id}`)).toEqual([ofCompany.id]);
  for (const key of [other.key, stranger.key]) expect(await ids(key)).toEqual([]);
});

test.for([...forOwner, ...onWebhook])(
  '$line answers 403 for a company that the ATS does not manage',
  async ({ line, body }) => {
    const path = named(line, opened.ofCompany);
    for (const companyId of [opened.other.id, randomUUID()]) {
      const answer = await world.call(opened.ats.key, `${path}?companyId=${companyId}`, { body });
      expectProblem(answer, { code: 'COMPANY_ACCESS_DENIED', instance: pathOf(path) });
    }
    const empty = await world.call(opened.ats.key, `${path}?companyId=`, { body });
    expectProblem(empty, { code: 'COMPANY_ID_REQUIRED', instance: pathOf(path) });
    const detail = 'must be a UUID: hexadecimal digits as 8-4-4-4-12';
    const errors = [{ in: 'query', parameter: 'companyId', code: 'bad_format', detail } as const];
    const wrong = await world.call(opened.ats.key, `${path}?companyId=1`, { body });
    expectProblem(wrong, { code: 'VALIDATION_FAILED', instance: pathOf(path), errors });
  },
);

test.for([...forOwner, ...onWebhook])(
  '$line needs the scope $scope and no other',
  async ({ line, scope, status, body }) => {
    const on = await openCase();
    const path = named(line, on.ofCompany);
    const others = await world.keyWith(on.own.id, ...scopes.filter((one) => one !== scope));
    const refused = await world.call(others, path, { body });
    const detail = `This API key lacks the scope ${scope}.`;
    expectProblem(refused, { code: 'INSUFFICIENT_PERMISSIONS', instance: pathOf(path), detail });
    const anonymous = await world.call('nobody', path, { body });
    expectProblem(anonymous, { code: 'INVALID_API_KEY', instance: pathOf(path) });
    expect((await world.call(await world.keyWith(on.own.id, scope), path, { body })).status).toBe(status);
  },
);

test('keys that were made before webhooks, or without --scopes, have no scope for webhooks', () => {
  expect(defaultScopes).toEqual(['read:agents', 'write:agents', 'delete:agents']);
});

test.for(onWebhook)(
  '$line answers 404 for an unknown endpoint, and 400 first for an invalid request',
  async ({ line, body }) => {
    const path = named(line, { id: randomUUID(), delivery: randomUUID() });
    const { key } = opened.own;
    expectProblem(await world.call(key, path, { body }), {
      ...{ code: 'RESOURCE_NOT_FOUND', instance: pathOf(path) },
      detail: problemTexts.webhookMissing,
    });
    const wrong = await world.call(key, `${named(line, { id: '1', delivery: randomUUID() })}`, { body });
    expect([wrong.status, Object(wrong.body).errors]).toMatchObject([400, [{ in: 'path', parameter: 'id' }]]);
  },
);

test('a revoked grant ends the access to the company’s endpoints with the next request', async () => {
  const { own, ats, ofCompany } = await openCase();
  await world.companies.revoke(ats.id, own.id);
  const instance = `/webhooks/${ofCompany.id}`;
  const answer = await world.call(ats.key, `GET ${instance}?companyId=${own.id}`);
  expectProblem(answer, { code: 'COMPANY_ACCESS_DENIED', instance });
});

import { expect, test } from 'vitest';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import { ends } from '../../support/ended-keys.ts';
import { pathOf } from '../../support/endpoints.ts';
import type { Answer } from '../../support/http.ts';
import { untilWaiting, whileLocked } from '../../support/locks.ts';
import { expectProblem } from '../../support/problem.ts';
import { untilOutdated } from '../../support/slow-body.ts';
import { newWebhook, target } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** A company with an endpoint and a delivery, and a key of an integration for it. */
async function newSubject() {
  const company = await world.company();
  const { id } = await newWebhook(world, company.key);
  await world.agent(company.id);
  const { rows } = await world.sql.query('SELECT id FROM webhook_delivery WHERE endpoint_id = $1', [id]);
  const { key, keyId } = await world.ats(company.id);
  return { id, delivery: String(rows[0].id), companyId: company.id, key, keyId, query: `?companyId=${company.id}` };
}
type Subject = Awaited<ReturnType<typeof newSubject>>;

interface Lock {
  readonly sql: string;
  /** What of the subjects the statement is given. */
  readonly of: 'id' | 'companyId' | 'keyId';
}

const endpoint: Lock = { sql: 'SELECT FROM webhook_endpoint WHERE id = ANY($1) FOR UPDATE', of: 'id' };
const company: Lock = { sql: 'SELECT FROM company WHERE id = ANY($1) FOR UPDATE', of: 'companyId' };
/** As while another request with the same Idempotency-Key keeps its answer. */
const keptAnswer: Lock = {
  sql: `INSERT INTO idempotency_key (api_key_id, key, fingerprint, changed_fields, updated_at)
        SELECT k, 'one', 'other', '{}', now() FROM unnest($1::uuid[]) k`,
  of: 'keyId',
};

interface Request {
  readonly line: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly lock: Lock;
  readonly status: number;
}

const ping = { line: 'POST /webhooks/:id/ping', status: 202 };
const requests: Readonly<Record<string, Request>> = {
  POST: { line: 'POST /webhooks', body: target, lock: company, status: 201 },
  PATCH: { line: 'PATCH /webhooks/:id', body: { url: 'https://new.example.com/' }, lock: endpoint, status: 200 },
  DELETE: { line: 'DELETE /webhooks/:id', lock: endpoint, status: 204 },
  'rotate-secret': { line: 'POST /webhooks/:id/rotate-secret', lock: endpoint, status: 200 },
  ping: { ...ping, lock: endpoint },
  redeliver: { line: 'POST /webhooks/:id/deliveries/:delivery/redeliver', lock: endpoint, status: 202 },
  'a keyed ping': { ...ping, headers: { 'idempotency-key': 'one' }, lock: keptAnswer },
};

const lineOf = ({ line }: Request, { id, delivery }: Subject) => line.replace(':id', id).replace(':delivery', delivery);

/** Each on a server of its own. What they wait for stays locked until all requests have waited for more than a second. */
async function sendHeld(subjects: readonly Subject[], request: Request, meanwhile: () => Promise<unknown>) {
  const { lock, line: _, status: __, ...rest } = request;
  const locked = subjects.map((subject) => subject[lock.of]);
  return await whileLocked(world, lock.sql, [locked], async (release): Promise<Answer[]> => {
    const answers = subjects.map(async (subject) => {
      // With one connection the second lookup has to use the connection that waits for the lock.
      const { origin } = await openAnotherServer(world, { connections: 1 });
      return await callsOf(origin).call(subject.key, lineOf(request, subject) + subject.query, rest);
    });
    await untilWaiting(world, subjects.length);
    await untilOutdated(performance.now());
    await meanwhile();
    await release();
    return await Promise.all(answers);
  });
}

/** All rows of a company's endpoints, their deliveries, the trail of both, and the kept answers about them. */
async function storedOf({ companyId, keyId }: Subject) {
  const rowsOf = async (from: string, id: string) =>
    (await world.sql.query(`SELECT to_jsonb(t)::text AS row FROM ${from} = $1 ORDER BY 1`, [id])).rows;
  return await Promise.all([
    rowsOf('webhook_endpoint t WHERE company_id', companyId),
    rowsOf('webhook_delivery t WHERE company_id', companyId),
    rowsOf('audit_entry t WHERE company_id', companyId),
    rowsOf('idempotency_key t WHERE api_key_id', keyId),
  ]);
}

test.for(Object.entries(requests))(
  '%s: a key that ends while its request waits for a lock changes no endpoint',
  async ([, request]) => {
    const endings = [ends['revoked'], ends['without its grant']].filter((one) => one !== undefined);
    const subjects = [await newSubject(), await newSubject()];
    const before = await Promise.all(subjects.map(storedOf));
    const answers = await sendHeld(subjects, request, () =>
      Promise.all(endings.map(({ end }, at) => end(world, subjects[at]?.keyId ?? ''))),
    );
    for (const [at, subject] of subjects.entries()) {
      const [answer, ending] = [answers[at], endings[at]];
      if (!answer || !ending) throw new Error('there are two of each');
      expectProblem(answer, { code: ending.code, instance: pathOf(lineOf(request, subject)) });
    }
    expect(await Promise.all(subjects.map(storedOf))).toEqual(before);
  },
);

test.for(Object.entries(requests))(
  '%s: a key that is still valid changes an endpoint after a long wait for a lock',
  async ([, request]) => {
    const subject = await newSubject();
    const before = await storedOf(subject);
    const [answer] = await sendHeld([subject], request, async () => {});
    expect(answer?.status).toBe(request.status);
    expect(await storedOf(subject)).not.toEqual(before);
  },
);

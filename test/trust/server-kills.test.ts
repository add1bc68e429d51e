import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import type { Answer } from '../support/http.ts';
import { type Call, type Client, openClient, startUnlimited } from '../support/kept-client.ts';
import { newSubject, type Subject } from '../support/patch-agent.ts';
import { answerOf, answerOfVersion, storedAgent, versionIn } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const kills = inject('isShort') ? 5 : 30;

/** A request that was acknowledged. Its request id is its Idempotency-Key too. */
interface Acknowledged {
  readonly requestId: string;
  readonly answer: Answer;
  /** How often it was sent. */
  readonly times: number;
}

/** As a careful client does it: sends a request until it is answered, again under its key when the connection breaks. */
async function sendUntilAnswered(client: Client, origin: string, call: Call): Promise<Acknowledged> {
  const requestId = randomUUID();
  const headers = { 'x-request-id': requestId, 'idempotency-key': requestId };
  for (let times = 1; ; times += 1) {
    const answer = await client(origin, { ...call, headers }).catch(() => undefined);
    if (answer && ![409, 503].includes(answer.status)) return { requestId, answer, times };
    // The server may be down: a client that does not wait at all would take the machine from the one that starts.
    await delay(20);
  }
}

/** A server that is killed again and again, and each time started anew on its port. */
async function openMortal() {
  const port = String(await freePort());
  let { server, origin } = await startUnlimited(world, { PORT: port });
  return {
    origin,
    async killAndRestart(): Promise<void> {
      server.signal('SIGKILL');
      expect(await server.exit).toEqual({ code: null, signal: 'SIGKILL' });
      ({ server, origin } = await startUnlimited(world, { PORT: port }));
    },
  };
}

const agents = 8;
const clients = 24;

/** What a client sends next: mostly a change of a key of its own in the metadata of some agent, sometimes a creation. */
function nextCall(subjects: readonly Subject[], name: string, count: number): Call {
  if (count % 10 === 9) {
    const body = { name: `${name} ${count}`, type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
    return { line: 'POST /agents', body };
  }
  const line = `PATCH /agents/${subjects[randomInt(subjects.length)]?.id}`;
  return { line, body: { metadata: { [name]: count } } };
}

test(`${kills} times SIGKILL under load: no acknowledged write is lost, and none is applied twice`, async () => {
  const { companyId, ...first } = await newSubject(world);
  const others = await Promise.all(Array.from({ length: agents - 1 }, () => world.agent(companyId)));
  const subjects = [{ companyId, ...first }, ...others.map(({ id }) => ({ ...first, companyId, id }))];
  const mortal = await openMortal();
  const acknowledged: Acknowledged[] = [];
  let isOver = false;

  const loads = Array.from({ length: clients }, async (_, at) => {
    const client = openClient(first.key);
    for (let count = 0; !isOver; count += 1) {
      acknowledged.push(await sendUntilAnswered(client, mortal.origin, nextCall(subjects, `c${at}`, count)));
    }
  });
  for (let kill = 0; kill < kills; kill += 1) {
    const enough = acknowledged.length + randomInt(50, 150);
    while (acknowledged.length < enough) await new Promise(setImmediate);
    await mortal.killAndRestart();
  }
  isOver = true;
  await Promise.all(loads);

  const resent = acknowledged.filter(({ times }) => times > 1);
  const replayed = resent.filter(({ answer }) => answer.headers['idempotent-replayed'] === 'true');
  console.log(
    `${acknowledged.length} acknowledged, ${resent.length} sent again, ${replayed.length} of them saved before`,
  );
  await expectExactlyOnce(companyId, acknowledged);
});

/** Every answer is a version of its agent, every version but the operator's is one answer: nothing lost, nothing twice. */
async function expectExactlyOnce(companyId: string, acknowledged: readonly Acknowledged[]): Promise<void> {
  const { rows } = await world.sql.query('SELECT id FROM agent WHERE company_id = $1', [companyId]);
  const stored = new Map(await Promise.all(rows.map(async ({ id }) => [id, await storedAgent(world, id)] as const)));
  expect(acknowledged.length).toBeGreaterThan(kills * 50);
  const claimed = new Map<string | null | undefined, string>();
  for (const { requestId, answer } of acknowledged) {
    const agent = stored.get(Object(answer.body).id);
    if (!agent) throw new Error(`an acknowledged agent is lost: ${answer.text}`);
    const version = versionIn(answer);
    expect(answer.status).toBe(version === 1 ? 201 : 200);
    expect(answer.body).toEqual(answerOfVersion(agent, version));
    expect(agent.history[version - 1]).toMatchObject({ version, requestId });
    claimed.set(requestId, `${Object(answer.body).id} ${version}`);
  }
  for (const { row, history } of stored.values()) {
    expect(history.map(({ version }) => version)).toEqual(history.map((_, at) => at + 1));
    expect(answerOf(row)).toEqual(answerOfVersion({ row, history, text: '' }, history.length));
    const byRequest = history.filter(({ keyId }) => keyId !== null);
    expect(byRequest.map(({ requestId }) => claimed.get(requestId))).toEqual(
      byRequest.map(({ version }) => `${row.id} ${version}`),
    );
  }
}

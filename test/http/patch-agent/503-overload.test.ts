import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import { lockSoonStatement } from '../../../src/agents/write/lock.statements.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import { inOneBatch, untilWaiting, whileAgentLocked, whileLocked } from '../../support/locks.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { tickedTime } from '../../support/ticks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const largeQuestions = Array.from({ length: 50 }, () => 'What? '.repeat(300));

test('a request beyond a full queue answers 503 with Retry-After at once, and later requests are served', async () => {
  const company = await world.company();
  const agent = await world.agent(company.id);
  // Requests with large bodies run two at a time and fifty wait: 60 connections are enough to fill the queue.
  const patch = (name: string) => world.patch(company.key, agent.id, { name, questions: largeQuestions });

  const lock = 'LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE';
  const { early, late } = await whileLocked(world, lock, [], async (release) => {
    const sent = Array.from({ length: 60 }, (_, at) => patch(`Patch ${at}`));
    const refused: Awaited<(typeof sent)[number]>[] = [];
    for (const answer of sent) answer.then((one) => refused.push(one));
    await vi.waitUntil(() => refused.length >= 8, { timeout: 60_000 });
    const atOnce = refused.slice(0, 8);
    await release();
    return { early: atOnce, late: (await Promise.all(sent)).filter((answer) => !atOnce.includes(answer)) };
  });

  for (const answer of early) {
    expectProblem(answer, { code: 'OVERLOADED', instance: `/agents/${agent.id}` });
    expect(answer.headers['retry-after']).toBe('1');
  }
  expect(late.map(({ status }) => status)).toEqual(Array(52).fill(200));
  expect(JSON.parse(await world.row(agent.id)).version).toBe(1 + 52);
  expect((await patch('The last one')).status).toBe(200);
});

test('a locked row delays only the requests for its agent', async () => {
  const company = await world.company();
  const held = await world.agent(company.id);
  const others = await Promise.all(Array.from({ length: 20 }, () => world.agent(company.id)));
  await whileAgentLocked(world, held.id, async (release) => {
    const delayed = Array.from({ length: 10 }, (_, at) =>
      world.patch(company.key, held.id, { metadata: { [`k${at}`]: at } }),
    );
    const answers = await Promise.all(others.map(({ id }) => world.patch(company.key, id, { duration: 77 })));
    expect(answers.map(({ status }) => status)).toEqual(others.map(() => 200));
    await untilWaiting(world);
    await release();
    const late = await Promise.all(delayed);
    expect(late.map(({ status }) => status)).toEqual(delayed.map(() => 200));
  });
  const { version, metadata } = JSON.parse(await world.row(held.id));
  expect({ version, keys: Object.keys(metadata).length }).toEqual({ version: 11, keys: 10 });
});

test('locked rows of many agents, tried once each, do not delay a change of another company that runs alone', async () => {
  const company = await world.company();
  const held = await Promise.all(Array.from({ length: 40 }, () => world.agent(company.id)));
  const other = await newSubject(world);
  const companyPhoneNumberId = await world.phoneNumber(other.companyId);
  let attempts = 0;
  const onStatement = (sql: string) => {
    if (sql === lockSoonStatement('').text) attempts += 1;
  };
  // Two changes alone at the same time, so that an attempt of the other one can be 40 attempts later, which are two seconds.
  const { patch } = callsOf((await openAnotherServer(world, { connections: 4, onStatement })).origin);

  const rows = 'SELECT FROM agent WHERE company_id = $1 FOR UPDATE';
  await whileLocked(world, rows, [company.id], async (release) => {
    const delayed = held.map(({ id }) => patch(company.key, id, { duration: 77 }));
    await vi.waitUntil(() => attempts > held.length, { timeout: 60_000 });
    const before = attempts;
    const answer = await patch(other.key, other.id, { type: 'PHONE', companyPhoneNumberId });
    expect(attempts - before).toBeLessThan(30);
    expect(answer).toMatchObject({ status: 200, body: { type: 'PHONE' } });
    await release();
    expect((await Promise.all(delayed)).map(({ status }) => status)).toEqual(delayed.map(() => 200));
  });
  expect(JSON.parse(await world.row(other.id))).toMatchObject({
    ...{ version: 2, type: 'PHONE', company_phone_number_id: companyPhoneNumberId },
  });
});

test.for([
  ['PATCH', 200, { version: 2, duration: 77, deleted_at: null }],
  ['DELETE', 204, { version: 1, deleted_at: expect.any(String) }],
] as const)(
  'many locked agents of one company do not delay the next tries to %s a locked agent of another company',
  async ([method, status, stored]) => {
    const company = await world.company();
    const held = await Promise.all(Array.from({ length: 40 }, () => world.agent(company.id)));
    const other = await newSubject(world);
    let tries = 0;
    /** How many tries of all agents there had been at each try of the other company's. */
    const ofOther: number[] = [];
    const onStatement = (sql: string, values: readonly unknown[]) => {
      if (sql !== lockSoonStatement('').text) return;
      tries += 1;
      if (values.includes(other.id)) ofOther.push(tries);
    };
    // One try at a time, but for the first ones of changes.
    const { call } = callsOf((await openAnotherServer(world, { connections: 4, onStatement })).origin);
    const change = (key: string, id: string) =>
      call(key, `${method} /agents/${id}`, method === 'PATCH' ? { body: { duration: 77 } } : {});

    const rows = 'SELECT FROM agent WHERE company_id IN ($1, $2) FOR UPDATE';
    await whileLocked(world, rows, [company.id, other.companyId], async (release) => {
      const delayed = held.map(({ id }) => change(company.key, id));
      await vi.waitUntil(() => tries > held.length, { timeout: 60_000 });
      delayed.push(change(other.key, other.id));
      await vi.waitUntil(() => ofOther.length >= 4, { timeout: 60_000 });
      const between = ofOther.slice(1, 4).map((count, at) => count - (ofOther[at] ?? 0));
      expect(Math.max(...between)).toBeLessThan(10);
      await release();
      expect((await Promise.all(delayed)).map((answer) => answer.status)).toEqual(delayed.map(() => status));
    });
    expect(JSON.parse(await world.row(other.id))).toMatchObject(stored);
  },
);

test('clients that disconnect do not delay their batch', async () => {
  const subject = await newSubject(world);
  const agents = await Promise.all(Array.from({ length: 10 }, () => world.agent(subject.companyId)));
  const { hostname, port } = new URL(world.origin);
  const body = JSON.stringify({ duration: 99 });
  const lost = agents.map(({ id }) => {
    const head = `PATCH /agents/${id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${subject.key}\r\n`;
    const text = `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    return { socket: connect(Number(port), hostname), text };
  });
  await Promise.all(lost.map(({ socket }) => once(socket, 'connect')));
  const since = tickedTime();
  const answers = await inOneBatch(world, subject, async () => {
    for (const { socket, text } of lost) socket.write(text);
    const sent = agents.map(({ id }) => world.patch(subject.key, id, { duration: 98 }));
    // Once this is answered, the keys of all of them have been looked up.
    await world.call(subject.key, `GET /agents/${subject.id}`);
    for (const { socket } of lost) socket.destroy();
    return await Promise.all(sent);
  });
  expect(tickedTime() - since).toBeLessThan(5_000);
  expect(answers.map(({ status }) => status)).toEqual(agents.map(() => 200));
  for (const { id } of agents) {
    const durations = (await world.history(id)).map(({ snapshot }) => snapshot.duration);
    expect(durations.toSorted()).toEqual([30, 98, 99]);
  }
});

import { randomUUID } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { openAnotherServer } from '../../support/another-server.ts';
import { openLink } from '../../support/database-link.ts';
import { send } from '../../support/http.ts';
import { whileLocked } from '../../support/locks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('if the database dies within a batch, every request of the batch answers 503 and nothing of it is stored', async () => {
  const company = await world.company();
  const agents = await Promise.all(Array.from({ length: 8 }, () => world.agent(company.id)));
  const rows = () => Promise.all(agents.map(({ id }) => world.row(id)));
  const before = await rows();

  // The rows are written and their history entries wait for a lock.
  const lock = 'LOCK TABLE agent_version IN SHARE MODE';
  const answers = await whileLocked(world, lock, [], async () => {
    let isAnswered = false;
    const sent = Promise.all(agents.map(({ id }) => world.patch(company.key, id, { duration: 111 }))).finally(() => {
      isAnswered = true;
    });
    // Repeated, because a request that was too late for one batch is in the next.
    const dies = async () => {
      await world.sql.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'interview-agents-api' AND wait_event_type = 'Lock'`,
      );
      return isAnswered;
    };
    await vi.waitUntil(dies, { timeout: 60_000, interval: 10 });
    return await sent;
  });

  const refused = answers.filter(({ status }) => status === 503);
  expect(refused.length).toBeGreaterThan(0);
  for (const { headers, body } of refused) {
    expect(headers['retry-after']).toBe('1');
    expect(body).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  }
  const after = await rows();
  expect(after.map((row, at) => row === before[at])).toEqual(answers.map(({ status }) => status === 503));
});

test('a server whose database is cut off repeatedly loses no acknowledged change and applies none twice', async () => {
  const company = await world.company();
  const agents = await Promise.all(Array.from({ length: 5 }, () => world.agent(company.id)));
  const link = await openLink(world.databaseUrl);
  const { origin } = await openAnotherServer(world, { databaseUrl: link.url });
  const sent: { agent: string; requestId: string; status: number }[] = [];
  let isOver = false;

  const client = async (agent: string): Promise<void> => {
    while (!isOver) {
      const requestId = randomUUID();
      const { status } = await send(origin, {
        path: `/agents/${agent}`,
        headers: {
          authorization: `Bearer ${company.key}`,
          'content-type': 'application/json',
          'x-request-id': requestId,
        },
        body: JSON.stringify({ metadata: { last: requestId } }),
      });
      sent.push({ agent, requestId, status });
    }
  };
  const acknowledged = () => sent.filter(({ status }) => status === 200).length;
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) await new Promise(setImmediate);
  };

  const clients = agents.flatMap(({ id }) => [client(id), client(id), client(id)]);
  for (let cut = 0; cut < 5; cut += 1) {
    const before = acknowledged();
    await until(() => acknowledged() > before + 50);
    await link.cutOff();
    const failed = sent.length - acknowledged();
    await until(() => sent.length - acknowledged() > failed);
    await link.repair();
  }
  isOver = true;
  await Promise.all(clients);

  expect(new Set(sent.map(({ status }) => status))).toEqual(new Set([200, 503]));
  for (const { id } of agents) {
    const history = await world.history(id);
    expect(history.map(({ version }) => version)).toEqual(history.map((_, at) => at + 1));
    const saved = history.slice(1).map(({ requestId }) => requestId);
    expect(new Set(saved).size).toBe(saved.length);
    const own = sent.filter(({ agent }) => agent === id);
    expect(own.filter(({ status, requestId }) => status === 200 && !saved.includes(requestId))).toEqual([]);
    expect(saved.filter((requestId) => !own.some((one) => one.requestId === requestId))).toEqual([]);
    expect(JSON.parse(await world.row(id))).toMatchObject({
      version: history.length,
      metadata: { last: saved.at(-1) },
    });
  }
});

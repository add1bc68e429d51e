import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import { apiKeyLifecycle } from '../../../src/auth/key-lifecycle.ts';
import { openDatabase } from '../../../src/database/client.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { send } from '../../support/http.ts';
import { untilSomebodyWaits, whileAgentLocked, whileLocked } from '../../support/locks.ts';
import { head, RawSocket } from '../../support/raw-socket.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('past a full queue requests get 503 with Retry-After at once, and the server serves again when there is room', async () => {
  const company = await world.company();
  const agent = await world.agent(company.id);
  const patch = (metadata: object) => world.patch(company.key, agent.id, { metadata });
  // Behind each other on one connection, so that they arrive together on the slowest machine.
  const hundred = Array.from({ length: 100 }, (_, at) => {
    const body = JSON.stringify({ metadata: { last: at } });
    const lines = [`Authorization: Bearer ${company.key}`, 'Content-Type: application/json'];
    const connection = `Connection: ${at < 99 ? 'keep-alive' : 'close'}`;
    const length = `Content-Length: ${body.length}`;
    return head(`PATCH /agents/${agent.id} HTTP/1.1`, 'Host: x', ...lines, connection, length) + body;
  }).join('');

  const lock = 'LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE';
  const answers = await whileLocked(world, lock, [], async (release) => {
    const first = patch({ first: true });
    await untilSomebodyWaits(world);
    // One is being asked about, a thousand wait, and these are more than a thousand.
    const early: Promise<void>[] = [];
    const rest = Array.from({ length: 12 }, () =>
      RawSocket.use(world.origin, async (socket) => {
        socket.write(hundred);
        early.push(socket.answer().then(({ body }) => expect(body).toMatchObject({ code: 'OVERLOADED' })));
        return await socket.untilClosed();
      }),
    );
    await vi.waitUntil(() => early.length === rest.length, { timeout: 60_000 });
    await Promise.any(early);
    await release();
    return (await Promise.all([first, ...rest])).flat();
  });

  const refused = answers.filter(({ status }) => status !== 200);
  for (const { status, headers, body } of refused) {
    expect({ status, body, retryAfter: headers['retry-after'] }).toEqual({
      status: 503,
      body: expect.objectContaining({ code: expect.stringMatching(/^(OVERLOADED|DATABASE_UNAVAILABLE)$/) }),
      retryAfter: '1',
    });
  }
  const saved = JSON.parse(await world.row(agent.id));
  expect(saved.version).toBeGreaterThanOrEqual(1 + answers.length - refused.length);
  expect((await patch({ last: -1 })).status).toBe(200);
});

test('a row that somebody else holds delays the requests on its agent alone', async () => {
  const company = await world.company();
  const held = await world.agent(company.id);
  const others = await Promise.all(Array.from({ length: 20 }, () => world.agent(company.id)));
  await whileAgentLocked(world, held.id, async (release) => {
    const delayed = Array.from({ length: 10 }, (_, at) =>
      world.patch(company.key, held.id, { metadata: { [`k${at}`]: at } }),
    );
    const answers = await Promise.all(others.map(({ id }) => world.patch(company.key, id, { duration: 77 })));
    expect(answers.map(({ status }) => status)).toEqual(others.map(() => 200));
    await untilSomebodyWaits(world);
    await release();
    const late = await Promise.all(delayed);
    expect(late.map(({ status }) => status)).toEqual(delayed.map(() => 200));
  });
  const { version, metadata } = JSON.parse(await world.row(held.id));
  expect({ version, keys: Object.keys(metadata).length }).toEqual({ version: 11, keys: 10 });
});

test('a client that goes away does not leave its batch hanging', async () => {
  const company = await world.company();
  const agents = await Promise.all(Array.from({ length: 10 }, () => world.agent(company.id)));
  const { hostname, port } = new URL(world.origin);
  const body = JSON.stringify({ duration: 99 });
  const answers = agents.map(({ id }) => world.patch(company.key, id, { duration: 98 }));
  for (const { id } of agents) {
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const head = `PATCH /agents/${id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${company.key}\r\n`;
    socket.write(`${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`, () =>
      socket.destroy(),
    );
  }
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(agents.map(() => 200));
  expect((await world.patch(company.key, agents[0]?.id ?? '', { duration: 97 })).status).toBe(200);
});

test('a key that another process revokes is refused from the next request on, by every server', async () => {
  const company = await world.company();
  const agent = await world.agent(company.id);
  const other = await openAnotherServer(world);
  const database = openDatabase({ url: world.ownerUrl, connections: 1 });
  const patch = (origin: string) =>
    send(origin, {
      path: `/agents/${agent.id}`,
      headers: { authorization: `Bearer ${company.key}`, 'content-type': 'application/json' },
      body: '{"name":"Changed"}',
    });
  expect([(await patch(world.origin)).status, (await patch(other.origin)).status]).toEqual([200, 200]);
  await apiKeyLifecycle(database, world.secret, 'tester').revoke(company.keyId);
  await database.close();
  expect([(await patch(world.origin)).status, (await patch(other.origin)).status]).toEqual([401, 401]);
});

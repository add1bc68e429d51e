import { once } from 'node:events';
import { expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { whileAgentLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { patchHead, RawSocket } from '../support/raw-socket.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const body = '{"duration":45}';
const lengthOfBody = `Content-Length: ${body.length}`;

test('a request whose body arrives too slowly is 408 also during a shutdown, which ends then', async () => {
  const { app, origin } = await openAnotherServer(world, { limits: 'patient' });
  app.server.headersTimeout = 1_000;
  app.server.requestTimeout = 1_000;
  const agent = await newSubject(world);
  const before = await storedAgent(world, agent.id);
  await RawSocket.use(origin, async (socket) => {
    const begun = once(app.server, 'request');
    socket.write(`${patchHead(agent, lengthOfBody)}{"duration"`);
    await begun;
    const closed = app.close();
    const [answer, ...more] = await socket.untilClosed();
    if (!answer) throw new Error('no answer');
    expectProblem(answer, { code: 'REQUEST_TIMEOUT', instance: `/agents/${agent.id}` });
    expect([answer.headers['connection'], more]).toEqual(['close', []]);
    await closed;
  });
  expect(await storedAgent(world, agent.id)).toEqual(before);
});

test('a connection that is accepted after the grace period is closed, and what it asks for changes nothing', async () => {
  const { app, origin } = await openAnotherServer(world, { limits: 'patient' });
  const agent = await newSubject(world);
  const before = await storedAgent(world, agent.id);
  await whileAgentLocked(world, agent.id, async () => {
    // Connects while the shutdown still accepts what arrived before it.
    const late = RawSocket.use(origin, async (socket) => {
      socket.write(`${patchHead(agent, lengthOfBody)}${body}`);
      return await socket.untilClosed();
    });
    const closed = app.close();
    app.closeConnections();
    await closed;
    expect(await late).toEqual([]);
  });
  expect(await storedAgent(world, agent.id)).toEqual(before);
});

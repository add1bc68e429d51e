import { randomUUID } from 'node:crypto';
import { METHODS } from 'node:http';
import { expect, test } from 'vitest';
import { prometheus } from '../../src/metrics/prometheus.ts';
import { metricsServer } from '../../src/metrics/server.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { pathOf, withKey } from '../support/endpoints.ts';
import { type Answer, send } from '../support/http.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { idsFor, named } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const expectNosniff = (answer: Answer, what: string) =>
  expect([what, answer.headers['x-content-type-options']]).toEqual([what, 'nosniff']);

test('every route answers with X-Content-Type-Options: nosniff, for every method, with a key and without', async () => {
  const { id, key } = await world.company();
  const agent = await world.agent(id);
  const documents = [
    '/openapi.json',
    '/docs',
    '/docs/static/swagger-ui.css',
    '/docs/json',
    '/health/live',
    '/health/ready',
    '/problems/validation-failed',
    '/problems/unknown',
  ];
  const hook = await idsFor(world, 'GET /webhooks/:id', { id: agent.id, key });
  const paths = withKey.map(({ line }) =>
    pathOf(named(line, line.includes('/webhooks') ? hook : { ...hook, id: agent.id })),
  );
  for (const path of new Set([...paths, ...documents])) {
    for (const method of METHODS.filter((name) => name !== 'CONNECT')) {
      for (const headers of [{}, { authorization: `Bearer ${key}` }]) {
        expectNosniff(await world.send({ method, path, headers }), `${method} ${path}`);
      }
    }
  }
});

test('refusals have X-Content-Type-Options: nosniff: unknown and undecodable paths, bad bodies, no database', async () => {
  const { id, key } = await world.company();
  const path = `/agents/${(await world.agent(id)).id}`;
  const authorization = `Bearer ${key}`;
  const json = { authorization, 'content-type': 'application/json' };
  const cases = [
    { path: `/${randomUUID()}` },
    { path: '/agents/%zz' },
    { path, headers: json, body: '{' },
    { path, headers: json, body: '{"duration":0}' },
    { path, headers: json, body: `"${'x'.repeat(300_000)}"` },
    { path, headers: { authorization, 'content-type': 'text/plain' }, body: 'x' },
    { path, headers: { ...json, 'if-match': '"99"' }, body: '{}' },
    { path, headers: { ...json, expect: 'more' }, body: '{}' },
  ];
  for (const sent of cases) expectNosniff(await world.send(sent), JSON.stringify(sent).slice(0, 200));
  const { origin } = await openAnotherServer(world, { databaseUrl: 'postgresql://server@127.0.0.1:1/nothing' });
  const unavailable = await send(origin, { path, headers: json, body: '{}' });
  expect(unavailable.status).toBe(503);
  expectNosniff(unavailable, 'no database');
});

test.each([
  ['a message that is no HTTP', 'garbage\r\n\r\n'],
  ['CONNECT', head('CONNECT api:80 HTTP/1.1', 'Host: api')],
  ['headers that are too large', head('GET / HTTP/1.1', 'Host: api', `X: ${'x'.repeat(20_000)}`)],
  ['a broken chunk', `${head('PATCH /agents/1 HTTP/1.1', 'Host: api', 'Transfer-Encoding: chunked')}zz\r\n`],
])('the answer to %s has X-Content-Type-Options: nosniff', async (what, bytes) => {
  await RawSocket.use(world.origin, async (socket) => {
    socket.write(bytes);
    expectNosniff(await socket.answer(), what);
  });
});

test('the metrics server answers with X-Content-Type-Options: nosniff', async () => {
  const server = metricsServer(
    prometheus({
      poolUse: () => ({ busy: 0, idle: 0, waiting: 0 }),
      droppedLogLines: () => 0,
      historyBytes: async () => 0,
    }),
  );
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    for (const path of ['/metrics', '/other']) {
      expectNosniff(await send(`http://127.0.0.1:${port}`, { method: 'GET', path }), path);
    }
  } finally {
    server.close();
  }
});

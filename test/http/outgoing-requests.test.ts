import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { forAnyCompany, forCompany, onAgent } from '../support/endpoints.ts';
import { expectChange, newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** A TCP server that counts the connections which it gets. */
async function openListener() {
  let connections = 0;
  const listener = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onTestFinished(() => {
    listener.close();
  });
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}/asked`, connections: () => connections };
}

test('URLs in the fields of an agent and in headers are stored or ignored: the server never requests them', async () => {
  const { url, connections } = await openListener();
  const subject = await newSubject(world);
  const fields = { name: url, instructions: url, questions: [url], metadata: { url, webhook: { callback: url } } };
  await expectChange(world, subject, fields, fields);
  const headers = {
    ...{ referer: url, origin: url, forwarded: `for="${url}"`, 'x-forwarded-host': url, 'x-callback-url': url },
    ...{ 'x-original-url': url, destination: url, link: `<${url}>; rel="describedby"` },
  };
  const body = { metadata: { $ref: url, '@context': url } };
  expect((await world.patch(subject.key, subject.id, body, { headers })).status).toBe(200);
  expect((await world.call(subject.key, `GET ${url}`, { headers })).status).toBe(404);
  expect(connections()).toBe(0);
});

test('no source but webhooks/pools.ts opens HTTP connections or sockets; the PostgreSQL and Redis libraries open their own', () => {
  const folder = join(import.meta.dirname, '..', '..', 'src');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /^(?!generated).*\.ts$/.test(name),
  );
  const asks =
    /\bfetch\(|\bWebSocket\(|'undici'|import (?!type\b)[^;]*\b(request|get|connect|createConnection|Socket|Agent|ClientRequest)\b[^;]*from 'node:(https?|http2|net|tls|dgram)'/;
  expect(sources.filter((name) => asks.test(readFileSync(join(folder, name), 'utf8')))).toEqual(['webhooks/pools.ts']);
});

test.for([...onAgent, ...forCompany, ...forAnyCompany])(
  '$line answers a request from another origin without CORS headers',
  async ({ line, body }) => {
    const { id, key } = await newSubject(world);
    const named = line.replace(':id', id);
    const headers = { origin: 'https://elsewhere.example', 'access-control-request-method': 'PATCH' };
    const answers = [
      await world.call(key, named.replace(/^\S+/, 'OPTIONS'), { headers }),
      await world.call('nobody', named, { headers, body }),
      await world.call(key, named, { headers, body }),
    ];
    expect(answers[0]?.status).toBe(405);
    const allowing = answers
      .flatMap((answer) => Object.keys(answer.headers))
      .filter((name) => /^access-control-/.test(name));
    expect(allowing).toEqual([]);
  },
);

import { expect, test } from 'vitest';
import { readPublicUrl } from '../../src/http/public-url.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { draft } from '../support/endpoints.ts';
import { type Sent, send } from '../support/http.ts';
import { newSubject } from '../support/patch-agent.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const base = 'https://api.example.com/interviews/v1';
const prefix = '/interviews/v1';

/** A server behind a proxy that removes the prefix, and requests to it with a key. */
async function openBehindProxy(publicUrl = `${base}/`) {
  const { origin } = await openAnotherServer(world, { publicUrl });
  const { key, id } = await newSubject(world);
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return { origin, id, ask: (sent: Sent) => send(origin, { headers, ...sent }) };
}

test('Location is the public URL of the new agent', async () => {
  const { ask } = await openBehindProxy();
  const { status, headers, body } = await ask({ method: 'POST', path: '/agents', body: JSON.stringify(draft) });
  expect({ status, location: headers.location }).toEqual({
    status: 201,
    location: `${base}/agents/${Object(body).id}`,
  });
  const { key } = await world.company();
  const relative = await world.call(key, 'POST /agents', { body: draft });
  expect(relative.headers.location).toBe(`/agents/${Object(relative.body).id}`);
});

test('/ redirects to the reference page under the public URL', async () => {
  const { ask } = await openBehindProxy();
  for (const method of ['GET', 'HEAD']) {
    const { status, headers, text } = await ask({ method, path: '/' });
    expect({ status, location: headers.location, text }).toEqual({ status: 302, location: `${base}/docs`, text: '' });
  }
});

test('type and instance of every problem are paths under the public prefix', async () => {
  const { origin, id, ask } = await openBehindProxy();
  const cases = [
    [await ask({ path: `/agents/${id}`, body: '{"duration":0}' }), `/agents/${id}`, 'validation-failed'],
    [await ask({ method: 'GET', path: '/nowhere?x=1' }), '/nowhere', 'route-not-found'],
    [await ask({ method: 'GET', path: '/agents/%zz' }), '/agents/%zz', 'malformed-request'],
  ] as const;
  for (const [{ body }, path, type] of cases) {
    expect(body).toMatchObject({ type: `${prefix}/problems/${type}`, instance: prefix + path });
  }
  const broken = await RawSocket.use(origin, async (socket) => {
    socket.write(`${head('PATCH /agents/1 HTTP/1.1', 'Host: api', 'Transfer-Encoding: chunked')}zz\r\n`);
    return await socket.answer();
  });
  expect(broken.body).toMatchObject({
    type: `${prefix}/problems/malformed-request`,
    instance: `${prefix}/agents/1`,
  });
  const unread = await RawSocket.use(origin, async (socket) => {
    socket.write('garbage\r\n\r\n');
    return await socket.answer();
  });
  expect(unread.body).toMatchObject({ type: `${prefix}/problems/malformed-request`, instance: '' });
});

test('an explanation of a problem is served without the prefix, and its type has it', async () => {
  const { ask } = await openBehindProxy();
  const { status, body } = await ask({ method: 'GET', path: '/problems/overloaded' });
  expect({ status, type: Object(body).type }).toEqual({ status: 200, type: `${prefix}/problems/overloaded` });
});

test('the document has the public URL in `servers` and in its examples', async () => {
  const { ask } = await openBehindProxy();
  const { text } = await ask({ method: 'GET', path: '/openapi.json' });
  const { servers, paths, components } = JSON.parse(text);
  expect(servers).toEqual([{ url: base }]);
  const [location] = paths['/agents'].post.responses[201].headers.Location.schema.examples;
  expect(location).toMatch(new RegExp(`^${base}/agents/[0-9a-f-]{36}$`));
  for (const { value } of Object.values<{ value: { type: string; instance: string } }>(components.examples)) {
    expect(value.type).toMatch(new RegExp(`^${prefix}/problems/[a-z-]+$`));
    expect(value.instance).toMatch(new RegExp(`^(?:${prefix}/.*)?$`));
  }
  const { example } = paths['/problems/{code}'].get.responses[200].content['application/json'];
  expect((await ask({ method: 'GET', path: '/problems/precondition-failed' })).body).toEqual(example);
});

test.for([
  ['http://api.example.com', 'http://api.example.com', ''],
  ['https://api.example.com:443/', 'https://api.example.com', ''],
  ['HTTPS://API.example.com:8443/a/', 'https://api.example.com:8443/a', '/a'],
  ['http://127.0.0.1:3000/a/b', 'http://127.0.0.1:3000/a/b', '/a/b'],
  ['http://[::1]:3000', 'http://[::1]:3000', ''],
  ['https://api.example.com/a/../b', 'https://api.example.com/b', '/b'],
  ['https://api.example.com/é', 'https://api.example.com/%C3%A9', '/%C3%A9'],
])('PUBLIC_URL=%s has the base %s and the prefix %s', ([text = '', address, path]) => {
  expect(readPublicUrl(text)).toEqual({ base: address, prefix: path });
});

import { expect, test } from 'vitest';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const get = (path: string, headers = {}) => world.send({ method: 'GET', path, headers });

/** The addresses that a page names, as a browser resolves them. */
const namedIn = (html: string, page: string) =>
  [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => new URL(address, world.origin + page));

test.each(['/docs', '/docs/'])('GET %s is a page without a key, and all it names is served from here', async (path) => {
  const page = await get(path);
  expect(page.status).toBe(200);
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
  const named = namedIn(page.text, path);
  expect(named.length).toBeGreaterThan(4);
  for (const { origin, pathname } of named) {
    expect(origin).toBe(world.origin);
    const asset = await get(pathname);
    expect({ pathname, status: asset.status }).toEqual({ pathname, status: 200 });
    expect(asset.headers['x-request-id']).toMatch(/./);
  }
});

test('the page shows the document that /openapi.json is', async () => {
  expect((await get('/docs/json')).body).toEqual((await get('/openapi.json')).body);
});

test.each(['/docs', '/docs/static/swagger-ui.css', '/docs/static/nothing.js'])(
  'the answer of %s allows the browser nothing from elsewhere',
  async (path) => {
    const policy = String((await get(path)).headers['content-security-policy']);
    expect(policy).toMatch(/^default-src 'self';/);
    expect(policy).not.toMatch(/https?:|\*/);
  },
);

test.each(['/docs', '/docs/', '/docs/json', '/docs/static/swagger-ui.css', '/openapi.json'])(
  'HEAD %s answers as GET does, without a body',
  async (path) => {
    const [head, whole] = [await world.send({ method: 'HEAD', path }), await get(path)];
    expect(head.status).toBe(200);
    expect(head.text).toBe('');
    expect(head.headers['content-length']).toBe(whole.headers['content-length']);
    expect(head.headers['content-type']).toBe(whole.headers['content-type']);
  },
);

test.each(['/docs', '/docs/', '/docs/json', '/docs/static/swagger-ui.css', '/docs/static/nothing.js', '/openapi.json'])(
  'another method on %s is 405',
  async (path) => {
    for (const method of ['POST', 'DELETE', 'OPTIONS']) {
      const answer = await world.send({ method, path });
      expectProblem(answer, { code: 'METHOD_NOT_ALLOWED', instance: path });
      expect(answer.headers.allow).toBe('GET, HEAD');
    }
  },
);

test.each([
  '/docs/nothing',
  '/docs/static/nothing.js',
  '/docs/static/../csp.json',
  '/docs/static/%2e%2e/package.json',
  '/docs/static/..%2fpackage.json',
  '/docs/static/SWAGGER-UI.css',
  '/docs/static/%00',
])('GET %s is 404', async (path) => {
  expectProblem(await get(path), { code: 'ROUTE_NOT_FOUND', instance: path });
});

test.each([
  { range: 'bytes=99999999-' },
  { 'if-match': '"another"' },
  { 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' },
])('a file is sent whole, whatever the request says of it: %j', async (headers) => {
  expect((await get('/docs/static/swagger-ui.css', headers)).status).toBe(200);
});

test('a file that the browser has is not sent again', async () => {
  const { etag } = (await get('/docs/static/swagger-ui.css')).headers;
  const again = await get('/docs/static/swagger-ui.css', { 'if-none-match': etag });
  expect({ status: again.status, text: again.text }).toEqual({ status: 304, text: '' });
});

const without = await openWorld({ docs: false });

test('with DOCS=false there is no page, but the document', async () => {
  for (const path of ['/docs', '/docs/', '/docs/json', '/docs/static/swagger-ui.css']) {
    expectProblem(await without.send({ method: 'GET', path }), { code: 'ROUTE_NOT_FOUND', instance: path });
  }
  expect((await without.send({ method: 'GET', path: '/openapi.json' })).status).toBe(200);
});

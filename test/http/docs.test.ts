import { type IncomingMessage, request } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const get = (path: string, headers = {}) => world.send({ method: 'GET', path, headers });

/** The answer with the raw bytes of its body. */
async function getBytes(path: string, headers: Record<string, string>, method = 'GET') {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request(world.origin + path, { method, headers }, resolve)
      .on('error', reject)
      .end();
  });
  const bytes = Buffer.concat(await answer.toArray());
  return { status: answer.statusCode, headers: new Map(Object.entries(answer.headers)), bytes };
}

/** The URLs in a page, resolved as a browser does. */
const namedIn = (html: string, page: string) =>
  [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => new URL(address, world.origin + page));

test.each(['/docs', '/docs/'])(
  'GET %s answers a page without a key, and every file that the page links comes from this server',
  async (path) => {
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
  },
);

test('the page loads /openapi.json, and no other document exists', async () => {
  const { text } = await get('/docs/static/page.js');
  expect(text).toContain("new URL('../../', document.currentScript.src)");
  expect(text).toContain("new URL('openapi.json', base)");
  for (const path of ['/docs/json', '/docs/yaml']) {
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) {
      const answer = await world.send({ method, path });
      if (method === 'HEAD') expect({ status: answer.status, text: answer.text }).toEqual({ status: 404, text: '' });
      else expectProblem(answer, { code: 'ROUTE_NOT_FOUND', instance: path });
    }
  }
});

test('GET / redirects to the page with a relative address, which also holds behind a path prefix', async () => {
  const { status, headers, text } = await get('/');
  expect([status, headers['location'], text]).toEqual([302, 'docs', '']);
});

test.each(['/docs', '/docs/static/swagger-ui.css', '/docs/static/swagger-ui-bundle.js'])(
  'the Content-Security-Policy of %s allows no other origin',
  async (path) => {
    const policy = String((await get(path)).headers['content-security-policy']);
    expect(policy).toMatch(/^default-src 'self';/);
    expect(policy).not.toMatch(/https?:|\*/);
  },
);

test.each(['/docs', '/docs/', '/docs/static/swagger-ui.css', '/openapi.json'])(
  'HEAD %s answers as GET does, without a body',
  async (path) => {
    const [head, whole] = [await world.send({ method: 'HEAD', path }), await get(path)];
    expect(head.status).toBe(200);
    expect(head.text).toBe('');
    expect(head.headers['content-length']).toBe(whole.headers['content-length']);
    expect(head.headers['content-type']).toBe(whole.headers['content-type']);
  },
);

test.each(['/docs', '/docs/', '/docs/static/swagger-ui.css', '/openapi.json'])(
  'another method on %s answers 405',
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
  '/docs/static/',
  '/docs/static/csp.json',
])('GET %s is 404', async (path) => {
  expectProblem(await get(path), { code: 'ROUTE_NOT_FOUND', instance: path });
});

test.each([
  { range: 'bytes=99999999-' },
  { 'if-match': '"another"' },
  { 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' },
])('a file is sent whole, whatever condition or range the request has: %j', async (headers) => {
  expect((await get('/docs/static/swagger-ui.css', headers)).status).toBe(200);
});

const page = ['/docs', '/docs/', '/docs/static/swagger-ui-bundle.js', '/docs/static/page.js', '/docs/static/page.css'];
const prepared = [...page, '/openapi.json'];
const caching = 'public, max-age=300, must-revalidate';

test.each(prepared)(
  '%s is compressed as Accept-Encoding prefers, with an entity tag for each encoding',
  async (path) => {
    const whole = await get(path);
    expect(whole.headers['content-encoding']).toBeUndefined();
    const decoders = { br: brotliDecompressSync, gzip: gunzipSync, identity: (bytes: Buffer) => bytes };
    const cases = [
      { accepted: 'gzip', coding: 'gzip' },
      { accepted: 'gzip, deflate, br, zstd', coding: 'br' },
      { accepted: 'br;q=0.5, GZIP;q=0.8', coding: 'gzip' },
      { accepted: 'gzip;q=0, br;q=0.001', coding: 'br' },
      { accepted: 'gzip;q=0.2, identity', coding: 'identity' },
      { accepted: 'gzip;q=0', coding: 'identity' },
      { accepted: 'zstd, ;;,=q', coding: 'identity' },
      { accepted: '', coding: 'identity' },
    ] as const;
    const tags = new Map<string, Set<unknown>>();
    for (const { accepted, coding } of cases) {
      const { status, headers, bytes } = await getBytes(path, { 'accept-encoding': accepted });
      const sent = headers.get('content-encoding') ?? 'identity';
      expect({ accepted, status, coding: sent }).toEqual({ accepted, status: 200, coding });
      expect(decoders[coding](bytes).toString()).toBe(whole.text);
      expect(headers.get('content-length')).toBe(String(bytes.length));
      expect(headers.get('content-type')).toBe(whole.headers['content-type']);
      expect(headers.get('vary')).toBe('accept-encoding');
      expect(headers.get('cache-control')).toBe(caching);
      tags.set(coding, (tags.get(coding) ?? new Set()).add(headers.get('etag')));
    }
    const found = [...tags.values()].flatMap((ofCoding) => [...ofCoding]);
    expect(found).toHaveLength(3);
    expect(new Set(found).size).toBe(3);
    for (const tag of found) expect(tag).toMatch(/^"[\w-]{22}"$/);
  },
);

test.each(prepared)(
  'a request for %s with If-None-Match of the current entity tag is answered 304 without a body',
  async (path) => {
    for (const method of ['GET', 'HEAD']) {
      for (const coding of ['identity', 'gzip', 'br']) {
        const ask = (condition: string) =>
          getBytes(path, { 'accept-encoding': coding, 'if-none-match': condition }, method);
        const etag = String((await ask('"other"')).headers.get('etag'));
        for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
          const { status, headers, bytes } = await ask(condition);
          expect({ status, size: bytes.length }).toEqual({ status: 304, size: 0 });
          const shown = ['etag', 'vary', 'cache-control'].map((name) => headers.get(name));
          expect(shown).toEqual([etag, 'accept-encoding', caching]);
          expect(headers.get('content-length')).toBeUndefined();
        }
        for (const condition of [etag.replaceAll('"', ''), '"other"', ''])
          expect((await ask(condition)).status).toBe(200);
      }
    }
  },
);

test('every request gets the document that was built at the start', async () => {
  const before = await get('/openapi.json');
  const { swagger } = world.app;
  try {
    Object.assign(world.app, {
      swagger() {
        throw new Error('made again');
      },
    });
    expect(await get('/openapi.json')).toMatchObject({ status: 200, text: before.text });
  } finally {
    Object.assign(world.app, { swagger });
  }
});

const without = await openWorld({ docs: false });

test('with DOCS=false the page is 404 and the document is still served', async () => {
  for (const path of ['/', '/docs', '/docs/', '/docs/json', '/docs/yaml', '/docs/static/swagger-ui.css']) {
    expectProblem(await without.send({ method: 'GET', path }), { code: 'ROUTE_NOT_FOUND', instance: path });
  }
  expect((await without.send({ method: 'GET', path: '/openapi.json' })).status).toBe(200);
});

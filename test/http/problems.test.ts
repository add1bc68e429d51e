import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { isProblemCode, problems } from '../../src/http/problems.ts';
import { remedies } from '../../src/problems/remedies.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });

const codes = Object.keys(problems).filter(isProblemCode);
const slug = (code: string) => code.toLowerCase().replaceAll('_', '-');
const get = (path: string, headers = {}) => world.send({ method: 'GET', path, headers });

/** The Accept header of Chromium and Firefox for a page. */
const browser = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8' };

test.for(codes)(
  '/problems/ explains the cause and remedy of %s, under its type and under its code, without a key',
  async (code) => {
    const expected = {
      ...{ type: `/problems/${slug(code)}`, title: problems[code].title, status: problems[code].status, code },
      ...remedies[code],
    };
    for (const name of [slug(code), code]) {
      const answer = await get(`/problems/${name}`);
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
      expect(answer.body).toEqual(expected);
      const page = await get(`/problems/${name}`, browser);
      expect(page.status).toBe(200);
      expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
      const text = page.text
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&quot;', '"')
        .replaceAll('&amp;', '&');
      for (const part of [code, String(expected.status), expected.title, expected.cause, expected.remedy]) {
        expect(text).toContain(part);
      }
    }
  },
);

test.for(['abc', '"a b"', ''])('If-None-Match: %s, which is no list of entity tags, matches none', async (header) => {
  const headers = { 'if-none-match': header };
  expect(await get('/problems/overloaded', headers)).toMatchObject({ status: 200, body: { code: 'OVERLOADED' } });
  expect((await get('/problems/unknown', headers)).status).toBe(404);
});

test('every cause and remedy is a whole sentence and unique', () => {
  const texts = codes.flatMap((code) => [remedies[code].cause, remedies[code].remedy]);
  for (const text of texts) expect(text).toMatch(/^[A-Z][\s\S]{30,}\.$/);
  expect(new Set(texts).size).toBe(texts.length);
});

test('the type of a real problem is the path of its explanation', async () => {
  const { body } = await get('/nowhere');
  expect(await get(Object(body).type)).toMatchObject({ status: 200, body: { code: 'ROUTE_NOT_FOUND' } });
});

test.for([
  '/problems/unknown',
  '/problems/Validation-Failed',
  '/problems/VALIDATION-FAILED',
  '/problems/validation_failed',
  '/problems/toString',
  '/problems/__proto__',
  '/problems/%3Cscript%3E',
])('%s is no explanation: 404', async (path) => {
  const detail = 'No problem has this code. /openapi.json lists the codes.';
  for (const headers of [{}, browser]) {
    expectProblem(await get(path, headers), { code: 'RESOURCE_NOT_FOUND', instance: path, detail });
  }
});

test.for([
  [undefined, 'application/json'],
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['application/json, text/html;q=0.9', 'application/json'],
  ['text/html;q=0', 'application/json'],
  ['image/png', 'application/json'],
  ['TEXT/HTML', 'text/html'],
  ['application/json;q=0.1, text/html;q=0.2', 'text/html'],
  [browser.accept, 'text/html'],
] as const)('Accept: %s is answered as %s', async ([accept, type]) => {
  const answer = await get('/problems/overloaded', accept === undefined ? {} : { accept });
  expect(answer.headers).toMatchObject({
    'content-type': `${type}; charset=utf-8`,
    vary: 'accept, accept-encoding',
    'cache-control': 'public, max-age=300, must-revalidate',
  });
  const again = await get('/problems/overloaded', {
    ...(accept !== undefined && { accept }),
    'if-none-match': answer.headers.etag,
  });
  expect({ status: again.status, text: again.text }).toEqual({ status: 304, text: '' });
});

test('a page of a problem is under 4 KB and loads nothing but its own style', async () => {
  for (const code of codes) {
    const { text, headers } = await get(`/problems/${code}`, browser);
    expect(Buffer.byteLength(text)).toBeLessThan(4_096);
    const [, style = ''] = /<style>([\s\S]*?)<\/style>/.exec(text) ?? [];
    const hash = createHash('sha256').update(style).digest('base64');
    expect(headers['content-security-policy']).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(text).not.toMatch(/<script|<img|<link| style=|src=|href=/);
  }
});

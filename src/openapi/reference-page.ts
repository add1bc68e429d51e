import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { FastifyPluginAsync } from 'fastify';
import { onceMade, type PreparedFile, prepareFile, sendPrepared } from '../http/prepared-file.ts';

// Only the files of @fastify/swagger-ui are used: its plugin would serve the document at two more paths.
const folder = join(dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui')), 'static');
const script = 'text/javascript; charset=utf-8';
const style = 'text/css; charset=utf-8';
const assets = {
  'swagger-ui.css': style,
  'favicon-32x32.png': 'image/png',
  'favicon-16x16.png': 'image/png',
  'swagger-ui-bundle.js': script,
} as const;

/** The page's own files, in the repository's root. */
const own = (name: string) => readFileSync(new URL(`../../reference-page/${name}`, import.meta.url));

/** @param files the address of the folder of files, relative to that of the page */
const page = (files: string) => Buffer.from(own('index.html').toString().replaceAll('{{files}}', files));

const ownAssetsOnly = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const html = 'text/html; charset=utf-8';
const read = (name: string) => readFileSync(join(folder, name));

/** What makes each file of the page, by its path. */
const files: ReadonlyMap<string, () => Promise<PreparedFile>> = new Map([
  ['/docs', () => prepareFile(page('docs/static/'), html)],
  ['/docs/', () => prepareFile(page('static/'), html)],
  ['/docs/static/page.js', () => prepareFile(own('page.js'), script)],
  ['/docs/static/page.css', () => prepareFile(own('page.css'), style)],
  ...Object.entries(assets).map(
    ([name, type]) => [`/docs/static/${name}`, () => prepareFile(read(name), type)] as const,
  ),
]);

/** The reference page at /docs and its files; / redirects to it. No key needed. */
export const referencePage: FastifyPluginAsync = async (app) => {
  // Without a public URL a relative address: a prefix that a proxy removes is not known.
  const { base } = app.publicUrl;
  const address = base ? `${base}/docs` : 'docs';
  app.get('/', { schema: { hide: true } }, (_, reply) => reply.redirect(address));
  app.addHook('onRequest', async (_, reply) => {
    reply.header('content-security-policy', ownAssetsOnly);
  });
  for (const [path, prepare] of files) {
    // Made at the first request: most processes never serve the page, and compressing its script takes 0.2 s.
    const file = onceMade(prepare);
    app.get(path, { schema: { hide: true } }, async (request, reply) => {
      return sendPrepared(await file(), request, reply);
    });
  }
};

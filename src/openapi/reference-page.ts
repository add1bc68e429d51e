import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { FastifyPluginAsync } from 'fastify';
import { type PreparedFile, prepareFile, sendPrepared } from '../http/prepared-file.ts';

// Of @fastify/swagger-ui only the files are used: its plugin adds a second and a third address of the document.
const folder = join(dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui')), 'static');
const script = 'text/javascript; charset=utf-8';
const style = 'text/css; charset=utf-8';
const assets = {
  'swagger-ui.css': style,
  'index.css': style,
  'favicon-32x32.png': 'image/png',
  'favicon-16x16.png': 'image/png',
  'swagger-ui-bundle.js': script,
} as const;

/** @param base the address of the files, relative to that of the page */
const page = (base: string) => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Interview agents: API reference</title>
<link rel="stylesheet" href="${base}swagger-ui.css">
<link rel="stylesheet" href="${base}index.css">
<link rel="icon" type="image/png" href="${base}favicon-32x32.png" sizes="32x32">
<link rel="icon" type="image/png" href="${base}favicon-16x16.png" sizes="16x16">
</head>
<body>
<div id="swagger-ui"></div>
<script src="${base}swagger-ui-bundle.js"></script>
<script src="${base}swagger-initializer.js"></script>
</body>
</html>
`;

// Without the bar that asks for the address of another document. Behind a path prefix the document has it too.
const initializer = `const url = new URL('../../openapi.json', document.currentScript.src).href;
window.onload = () => {
  SwaggerUIBundle({ url, dom_id: '#swagger-ui', deepLinking: true, tryItOutEnabled: true, validatorUrl: null });
};
`;

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

/** By its address, how each file is made. */
const files: ReadonlyMap<string, () => Promise<PreparedFile>> = new Map([
  ['/docs', once(() => prepareFile(Buffer.from(page('docs/static/')), html))],
  ['/docs/', once(() => prepareFile(Buffer.from(page('static/')), html))],
  ['/docs/static/swagger-initializer.js', once(() => prepareFile(Buffer.from(initializer), script))],
  ...Object.entries(assets).map(
    ([name, type]) => [`/docs/static/${name}`, once(() => prepareFile(read(name), type))] as const,
  ),
]);

/** Calls a function at the first call only, which most processes never make: the script takes 0.2 s to compress. */
function once<Result>(make: () => Result): () => Result {
  let made: { readonly result: Result } | undefined;
  return () => {
    made ??= { result: make() };
    return made.result;
  };
}

/** The page at /docs, with all it needs from this server. No key needed. */
export const referencePage: FastifyPluginAsync = async (app) => {
  app.addHook('onRequest', async (_, reply) => {
    reply.header('content-security-policy', ownAssetsOnly);
  });
  for (const [path, file] of files) {
    app.get(path, { schema: { hide: true } }, async (request, reply) => sendPrepared(await file(), request, reply));
  }
};

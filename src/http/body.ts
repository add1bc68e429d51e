import type { IncomingMessage } from 'node:http';
import type { FastifyRequest, preParsingHookHandler, preValidationHookHandler } from 'fastify';
import fp from 'fastify-plugin';
import { parseRequest } from './exact-numbers.ts';
import { notJson } from './particular-problems.ts';
import { problemTexts } from './problem-texts.ts';
import { ApiError } from './problems.ts';
import { maxBodyBytes } from './size-limits.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The bytes of the body as they were received; undefined without a body. */
    bodyBytes: Buffer | undefined;
  }
  interface FastifyContextConfig {
    /** Whether the handler of the route waits for a body. */
    takesBody?: boolean;
  }
}

const mediaType = /^application\/(?:merge-patch\+)?json[ \t]*(?:;|$)/i;

/**
 * Check 8 (docs/contract.md#the-order-of-checks) for routes that take a body: media type, size, encoding, JSON. The body
 * of a request to another route is not read. Without a Content-Length, the size is checked while the body is read.
 */
export const body = fp(async (app) => {
  app.removeAllContentTypeParsers();
  app.decorateRequest('bodyBytes');
  // Errors are thrown by `refuseUnread`. After the error of a parser Fastify closes the connection, and with bytes of the body
  // unread, the client could lose the answer.
  app.addContentTypeParser('*', (_, payload, done) => readBody(payload, (read) => done(null, read)));

  app.addHook('onRoute', (route) => {
    const takesBody = route.schema?.body !== undefined;
    route.preParsing = [takesBody ? admit : ignoreBody, ...[route.preParsing ?? []].flat()];
    route.config = { ...route.config, takesBody };
    if (!takesBody) return;
    route.preValidation = [refuseUnread, ...[route.preValidation ?? []].flat()];
    const { handler } = route;
    // Not a hook, since these are outside of the request's turn: what a body is parsed into can take twenty times its bytes.
    route.handler = function (request, reply) {
      parseBody(request);
      return handler.call(this, request, reply);
    };
  });
});

/** Removes the headers by which Fastify detects a body. Node discards the unread bytes when the answer has been sent. */
const ignoreBody: preParsingHookHandler = ({ headers }, _, payload, done) => {
  for (const name of ['content-type', 'content-length', 'transfer-encoding']) delete headers[name];
  done(null, payload);
};

const admit: preParsingHookHandler = ({ headers, deadline }, _, payload, done) => {
  const length = Number(headers['content-length'] ?? 0);
  const hasBody = length > 0 || headers['transfer-encoding'] !== undefined;
  const type = headers['content-type'];
  if (type === undefined ? hasBody : !mediaType.test(type)) throw unsupportedMediaType();
  if (length > maxBodyBytes) throw new ApiError('PAYLOAD_TOO_LARGE');
  if (headers['content-encoding'] !== undefined) throw unsupportedEncoding();
  deadline.pause();
  done(null, payload);
};

const empty = Buffer.alloc(0);

/**
 * Reads the body of a request. Each chunk is copied into one buffer as it arrives: a chunk that is kept takes 500 bytes of
 * memory beside its content, and a client can send each byte as a chunk. Reports the memory of that buffer while it is read.
 * @param done called once, with the bytes, with the error of the stream, or with ApiError PAYLOAD_TOO_LARGE as soon as more
 *   bytes have arrived; the rest is then discarded as it arrives
 */
function readBody(body: IncomingMessage, done: (read: Buffer | Error) => void): void {
  let buffer = empty;
  let length = 0;

  const conclude = (read: Buffer | Error) => {
    body.off('data', add).off('end', succeed).off('error', conclude);
    body.onUnread?.(body, -buffer.length);
    done(read);
  };
  const succeed = () => conclude(buffer.subarray(0, length));
  const add = (chunk: Buffer) => {
    const needed = length + chunk.length;
    if (needed > maxBodyBytes) return conclude(new ApiError('PAYLOAD_TOO_LARGE'));
    if (needed > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(2 * buffer.length, maxBodyBytes)));
      buffer.copy(larger);
      body.onUnread?.(body, larger.length - buffer.length);
      buffer = larger;
    }
    chunk.copy(buffer, length);
    length = needed;
  };
  body.on('data', add).on('end', succeed).on('error', conclude);
}

/** What did not arrive whole, or was too long, needs no turn. */
const refuseUnread: preValidationHookHandler = ({ body: read }, _, done) =>
  done(read instanceof Error ? read : undefined);

function parseBody(request: FastifyRequest): void {
  const { body: read } = request;
  if (!Buffer.isBuffer(read)) throw new ApiError('MALFORMED_BODY', { detail: problemTexts.bodyMissing });
  request.bodyBytes = read;
  request.body = parse(read);
}

const unsupportedMediaType = () =>
  new ApiError('UNSUPPORTED_MEDIA_TYPE', {
    headers: { 'accept-patch': 'application/merge-patch+json, application/json' },
  });

const unsupportedEncoding = () =>
  new ApiError('UNSUPPORTED_MEDIA_TYPE', {
    detail: problemTexts.bodyEncoding,
    headers: { 'accept-encoding': 'identity' },
  });

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Parses JSON (RFC 8259); a byte order mark is skipped. `__proto__` becomes an ordinary member, which check 9 refuses.
 * @throws ApiError MALFORMED_BODY
 */
function parse(bytes: Buffer): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new ApiError('MALFORMED_BODY', { detail: problemTexts.bodyNotUtf8 });
  }
  try {
    return parseRequest(text);
  } catch {
    throw notJson(text);
  }
}

import type { FastifyRequest, preParsingHookHandler, preValidationHookHandler } from 'fastify';
import fp from 'fastify-plugin';
import { notJson } from './particular-problems.ts';
import { problemDetails } from './problem-details.ts';
import { ApiError } from './problems.ts';

/** Bytes a body may have (docs/contract.md#the-body). */
const bodyLimit = 256 * 1024;

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it was sent; undefined where there is none. */
    bodyBytes: Buffer | undefined;
  }
}

const mediaType = /^application\/(?:merge-patch\+)?json[ \t]*(?:;|$)/i;

/**
 * Step 8 of the contract's order of checks for routes that take a body: media type, size, encoding, JSON. What comes with
 * a request to another route is not read.
 * The size of a body that does not announce it is bounded by the server while it reads.
 */
export const body = fp(async (app) => {
  app.removeAllContentTypeParsers();
  app.decorateRequest('bodyBytes');
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit }, (request: FastifyRequest, bytes: Buffer, done) => {
    request.bodyBytes = bytes;
    done(null, parse(bytes));
  });

  app.addHook('onRoute', (route) => {
    const takesBody = route.schema?.body !== undefined;
    route.preParsing = [takesBody ? admit : ignoreBody, ...[route.preParsing ?? []].flat()];
    if (takesBody) route.preValidation = [requireBody, ...[route.preValidation ?? []].flat()];
  });
});

/** By these alone Fastify sees that there is a body. Node drops the bytes once the answer is sent. */
const ignoreBody: preParsingHookHandler = ({ headers }, _, payload, done) => {
  for (const name of ['content-type', 'content-length', 'transfer-encoding']) delete headers[name];
  done(null, payload);
};

const admit: preParsingHookHandler = ({ headers, deadline }, _, payload, done) => {
  const length = Number(headers['content-length'] ?? 0);
  const hasBody = length > 0 || headers['transfer-encoding'] !== undefined;
  const type = headers['content-type'];
  if (type === undefined ? hasBody : !mediaType.test(type)) throw unsupportedMediaType();
  if (length > bodyLimit) throw new ApiError('PAYLOAD_TOO_LARGE');
  if (headers['content-encoding'] !== undefined) throw unsupportedEncoding();
  deadline.pause();
  done(null, payload);
};

const requireBody: preValidationHookHandler = ({ body: value, deadline }, _, done) => {
  deadline.resume();
  if (value === undefined) throw new ApiError('MALFORMED_BODY', { detail: problemDetails.bodyMissing });
  done();
};

const unsupportedMediaType = () =>
  new ApiError('UNSUPPORTED_MEDIA_TYPE', {
    headers: { 'accept-patch': 'application/merge-patch+json, application/json' },
  });

const unsupportedEncoding = () =>
  new ApiError('UNSUPPORTED_MEDIA_TYPE', {
    detail: problemDetails.bodyEncoding,
    headers: { 'accept-encoding': 'identity' },
  });

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads JSON text (RFC 8259). A byte order mark is skipped. Keys that could reach a prototype stay plain members here. */
function parse(bytes: Buffer): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new ApiError('MALFORMED_BODY', { detail: problemDetails.bodyNotUtf8 });
  }
  try {
    return JSON.parse(text);
  } catch {
    throw notJson(text);
  }
}

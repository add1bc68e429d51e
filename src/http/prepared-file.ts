import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { negotiate } from '@fastify/accept-negotiator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { parseEntityTags } from './entity-tag.ts';

interface Representation {
  readonly bytes: Buffer;
  /** Strong, without its quotes: a hash of the bytes, so that each encoding has its own. */
  readonly tag: string;
}

const codings = ['br', 'gzip', 'identity'] as const;

/** A file that never changes while the process runs, in each content coding. */
export interface PreparedFile extends Readonly<Record<(typeof codings)[number], Representation>> {
  readonly type: string;
}

/** Makes a value at the first call and returns it to all; one that could not be made is tried again at the next call. */
export function onceMade<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

/** Encodes and hashes a file, once for all answers. @param type its media type, with its charset */
export async function prepareFile(content: Buffer, type: string): Promise<PreparedFile> {
  const [br, gzipped] = await Promise.all([
    // The usual quality for text would take a second for each megabyte.
    promisify(brotliCompress)(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
    promisify(gzip)(content),
  ]);
  return { br: represent(br), gzip: represent(gzipped), identity: represent(content), type };
}

function represent(bytes: Buffer): Representation {
  return { bytes, tag: createHash('sha256').update(bytes).digest('base64url').slice(0, 22) };
}

/**
 * Answers GET or HEAD with a prepared file, in the coding that Accept-Encoding prefers (RFC 9110, section 12.5.3), or with
 * 304 if If-None-Match has its entity tag. A client may cache it for five minutes before it revalidates it.
 * @param vary the headers of the request that the answer depends on
 */
export function sendPrepared(
  file: PreparedFile,
  { headers }: FastifyRequest,
  reply: FastifyReply,
  vary = 'accept-encoding',
): FastifyReply {
  const accepted = headers['accept-encoding'];
  const coding = negotiate(String(accepted ?? '').toLowerCase(), [...codings]);
  const { bytes, tag } = file[codings.find((known) => known === coding) ?? 'identity'];
  reply.headers({
    etag: `"${tag}"`,
    'cache-control': 'public, max-age=300, must-revalidate',
    vary,
  });
  const known = parseEntityTags(headers['if-none-match'] ?? '') ?? [];
  if (known === '*' || known.some(({ value }) => value === tag)) return reply.code(304).send();
  if (coding === 'br' || coding === 'gzip') reply.header('content-encoding', coding);
  return reply.type(file.type).send(bytes);
}

import { ReadableStream } from 'node:stream/web';
import type { FastifyReply } from 'fastify';
import type { Pagination } from './pages.schema.ts';

/** Items of a page that one statement reads, and the ids of the items behind them. */
interface Portion<Item> {
  readonly items: readonly Item[];
  readonly rest: readonly string[];
}

interface FirstPortion<Item> {
  /** At least one item. */
  readonly data: readonly Item[];
  readonly rest: readonly string[];
  readonly pagination: Pagination;
}

/**
 * Streams the JSON of a page that may be too large for memory. A portion is read when the client has taken the one before,
 * so at most one is held, as bytes outside of the heap. The stream fails if a portion cannot be read.
 * @param read reads the first portion of the given ids
 * @param write writes one item as JSON
 */
export function pageStream<Item>(
  { data, rest: ids, pagination }: FirstPortion<Item>,
  read: (ids: readonly string[]) => Promise<Portion<Item>>,
  write: (item: Item) => string,
): ReadableStream<Buffer> {
  const end = `],"pagination":${JSON.stringify(pagination)}}`;
  const toBytes = (start: string, { items, rest }: Portion<Item>) => {
    const text = items.map(write).join(',');
    return { bytes: Buffer.from(`${text && start}${text}${rest.length === 0 ? end : ''}`), rest };
  };
  // Released when it has been sent: sending to a slow client takes up to a minute.
  let first: ReturnType<typeof toBytes> | undefined = toBytes('{"data":[', { items: data, rest: ids });
  let left = ids;
  return new ReadableStream<Buffer>(
    {
      async pull(controller) {
        const { bytes, rest } = first ?? toBytes(',', await read(left));
        first = undefined;
        left = rest;
        controller.enqueue(bytes);
        if (rest.length === 0) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Sends a stream of JSON without Content-Length. An error of the stream closes the connection. */
export const sendStream = (reply: FastifyReply, stream: ReadableStream<Buffer>): FastifyReply =>
  reply.type('application/json; charset=utf-8').send(stream);

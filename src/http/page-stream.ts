import { ReadableStream } from 'node:stream/web';
import type { FastifyReply } from 'fastify';
import type { Pagination } from './pages.schema.ts';

/** Items of a page that are read together, and the ids of those behind them. */
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
 * The JSON of a page that is too large to be held at once. A portion is read when the one before has been taken, so that no
 * more than one is held; it waits as bytes, outside the heap. Fails when a portion cannot be read.
 * @param read the first portion of the given ids
 * @param write one item as JSON
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
  // Let go when it is sent, like all that a stream keeps: a slow client takes minutes.
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

/** Sends JSON whose length is not known yet. An error of the stream closes the connection. */
export const sendStream = (reply: FastifyReply, stream: ReadableStream<Buffer>): FastifyReply =>
  reply.type('application/json; charset=utf-8').send(stream);

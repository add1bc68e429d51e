import type { ReadableStream } from 'node:stream/web';
import { KindGuard } from '@sinclair/typebox';
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import pLimit from 'p-limit';
import { overloaded } from './problems.ts';

/** Lists of one key that run at once, and those that may wait. Further ones are refused at once. */
const bounds = { running: 2, waiting: 100 };

/** Milliseconds from a request's arrival within which its list must begin; what is left of 5 s is for its statements. */
const patience = 2_600;

/** The limit of one key, as long as it has lists. */
interface KeyLimit {
  readonly run: ReturnType<typeof pLimit>;
  lists: number;
}

/**
 * Bounds what the lists of one key cost, on every route whose query has pages: two run at once, from the first statement
 * until the answer is with the socket or the client has gone. Others wait; ApiError OVERLOADED when that takes too long.
 */
export const lists = fp(async (app) => {
  const limits = new Map<string, KeyLimit>();

  /** Resolves when a list may begin, with what must be called at its end; never when its client has gone before. */
  function turnOf(key: string, wait: number, over: Promise<void>): Promise<() => void> {
    const limit = limits.get(key) ?? { run: pLimit(bounds.running), lists: 0 };
    if (limit.run.pendingCount >= bounds.waiting) throw overloaded();
    limits.set(key, limit);
    limit.lists += 1;
    return new Promise((resolve, reject) => {
      let isOver = false;
      const timer = setTimeout(() => {
        isOver = true;
        reject(overloaded());
      }, wait);
      over.then(() => {
        isOver = true;
        clearTimeout(timer);
      });
      const turn = limit.run(() => {
        clearTimeout(timer);
        return isOver ? undefined : new Promise<void>(resolve);
      });
      turn.finally(() => {
        limit.lists -= 1;
        if (limit.lists === 0) limits.delete(key);
      });
    });
  }

  app.addHook('onRoute', (route) => {
    if (!isList(route)) return;
    const { handler } = route;
    route.handler = async function (request, reply) {
      const over = untilOver(request, reply);
      const endTurn = await turnOf(request.known.keyId ?? '', Math.max(0, patience - reply.elapsedTime), over);
      const answer = (async () => handler.call(this, request, reply))();
      Promise.allSettled([answer, over]).then(endTurn);
      return answer;
    };
  });
});

function isList({ schema: { querystring } = {} }: RouteOptions): boolean {
  return KindGuard.IsObject(querystring) && Object.hasOwn(querystring.properties, 'limit');
}

/** Resolves when an answer is with the socket, or its connection is closed, even if earlier answers held this one back. */
function untilOver({ raw }: FastifyRequest, reply: FastifyReply): Promise<void> {
  return new Promise((resolve) => {
    const resolveIfGone = () => raw.errored && resolve();
    // It may have been closed while the key was looked up.
    resolveIfGone();
    raw.once('close', resolveIfGone);
    reply.raw.once('close', resolve);
  });
}

/** Sends JSON whose length is not known yet. An error of the stream closes the connection. */
export const sendStream = (reply: FastifyReply, stream: ReadableStream<Buffer>): FastifyReply =>
  reply.type('application/json; charset=utf-8').send(stream);

import type { IncomingMessage } from 'node:http';
import { KindGuard } from '@sinclair/typebox';
import type { FastifyRequest, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import type { AgentInPath } from '../agents/row.ts';
import { over } from '../http/bounded-server.ts';
import { exchangeOf } from '../http/exchange.ts';
import type { ApiKeyRepository } from './lookup.repository.ts';

interface Options {
  readonly keys: Pick<ApiKeyRepository, 'confirm'>;
  /** Reads one agent of a company. */
  readonly readAgent: (id: string, companyId: string | null) => Promise<AgentInPath>;
}

/**
 * Runs the handler of every route in a turn of its request (`concurrency-limits.ts`), and so, if they are registered before,
 * the parsing and the validation of the request. Where the turn of a read that waited comes more than a second after the lookup
 * of its key, the key is looked up again, and so before the agent is read again: the answer shows what changed meanwhile. A
 * write does so itself, as late as it can.
 */
export const handlerTurns = fp(async (app, { keys, readAgent }: Options) => {
  const confirm = ({ admission, deadline, raw }: FastifyRequest): Promise<void> =>
    deadline.race(keys.confirm(admission, deadline.at, exchangeOf(raw).span));

  /** The agent in the path, where it was not read together with the key, or was not kept while the body arrived. */
  const readAgain = ({ agentId, deadline, raw }: FastifyRequest): Promise<AgentInPath> =>
    deadline.race(readAgent(agentId, exchangeOf(raw).companyId));

  app.decorateRequest('turns');
  app.server.on(over, ({ exchange }: IncomingMessage) => exchange?.request?.turns?.end());
  app.addHook('onRoute', (route) => {
    const { handler } = route;
    if (isList(route)) route.config = { ...route.config, isLarge: true };
    route.handler = async function (request, reply) {
      // Its body, if it has one, has arrived.
      request.deadline.resume();
      const taken = request.turns.take();
      const turn = taken instanceof Promise ? await taken : taken;
      try {
        const isAgentMissing = !request.readAhead && request.agentId !== '';
        if (isAgentMissing || (request.turns.hasWaited && isRead(request))) await confirm(request);
        if (isAgentMissing) request.readAhead = await readAgain(request);
        return await handler.call(this, request, reply);
      } finally {
        request.turns.keep(turn);
      }
    };
  });
  // A client may take a minute to read an answer, which needs none of these any more.
  app.addHook('onSend', (request, _, __, done) => {
    request.body = undefined;
    request.bodyBytes = undefined;
    request.readAhead = nothingRead;
    done();
  });
});

const nothingRead: AgentInPath = { agent: undefined, isForeign: false, readOrder: 0 };

const isRead = ({ method }: FastifyRequest) => method === 'GET' || method === 'HEAD';

const isList = ({ schema }: RouteOptions) =>
  KindGuard.IsObject(schema?.querystring) && Object.hasOwn(schema.querystring.properties, 'limit');

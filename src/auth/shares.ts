import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import type { StoredAgent } from '../agents/row.ts';
import { type Turn, turns } from '../http/turns.ts';
import { senderOf } from './address.ts';
import type { KeyOwner } from './api-key.ts';
import { bounded } from './bounded-map.ts';

/** Requests of one owner: more at once would not be served faster, and would keep the others waiting. */
const ofOwner = { running: 64, waiting: 1_000 };

/** Large requests of one key; one takes the database and the server some 20 ms. */
const ofKey = { running: 2, waiting: 50 };

/** Bytes of a body, and characters of an agent's questions, past which a request is large. */
const large = 32_768;

/** Milliseconds that a request may wait for its turn; what is left of 5 s is for its statements. */
const patience = 2_600;

/** Keys and agents that are remembered at most. */
const remembered = 10_000;

declare module 'fastify' {
  interface FastifyRequest {
    /** The request's share of the server. */
    share: Share;
  }
  interface FastifyContextConfig {
    /** That each request to the route is large: it reads a page, or versions of an agent that may be large. */
    isLarge?: boolean;
  }
}

export interface Share {
  /** Does something for the request when it is its turn, and then lets others have it: while a body arrives, say. */
  run<Result>(task: () => Promise<Result>): Promise<Result>;
  /** The same, but others have the turn when the response is over too, or its client has gone. */
  runToEnd<Result>(task: () => Promise<Result>): Promise<Result>;
}

/** Who comes with a key, and for which agent. */
interface Bearer {
  readonly hash: string;
  readonly address: string | null;
  readonly agentId: string | null;
}

/**
 * Shares the server out, so that nobody alone fills the queues, the memory or the connections to the database that all
 * need: of one company or integration a number of requests run at once, of one key two large ones, and further ones wait.
 * A key that was not admitted from its address before takes the share of that address.
 */
export function openShares() {
  // Neither decides anything but where a request waits.
  const owners = bounded<string>(remembered);
  const largeAgents = bounded<true>(remembered);
  const byOwner = turns(ofOwner);
  const byKey = turns(ofKey);
  const idOf = ({ hash, address }: Bearer) => `${hash} ${address}`;

  function isLarge({ routeOptions, headers }: FastifyRequest, { agentId }: Bearer): boolean {
    if (routeOptions.config.isLarge || (agentId !== null && largeAgents.has(agentId))) return true;
    return Number(headers['content-length'] ?? 0) > large || headers['transfer-encoding'] !== undefined;
  }

  return {
    open(request: FastifyRequest, { raw }: FastifyReply, bearer: Bearer): Share {
      const name = owners.get(idOf(bearer)) ?? senderOf(bearer.address ?? undefined);
      let left = patience;
      const end = (held: readonly Turn[]) => {
        for (const turn of held) turn.end();
      };
      /** The large ones wait for each other first, so that meanwhile small ones are served. */
      async function takeTurns(): Promise<Turn[]> {
        const since = performance.now();
        const remaining = () => Math.max(0, left - (performance.now() - since));
        const held: Turn[] = [];
        try {
          if (isLarge(request, bearer)) held.push(await byKey.take(bearer.hash, remaining(), raw));
          const turn = byOwner.take(name, remaining(), raw);
          held.push(turn instanceof Promise ? await turn : turn);
          left = remaining();
          return held;
        } catch (error) {
          end(held);
          throw error;
        }
      }
      return {
        async run(task) {
          const held = await takeTurns();
          return await task().finally(() => end(held));
        },
        async runToEnd(task) {
          const held = await takeTurns();
          return await task().finally(() => {
            if (raw.closed) end(held);
            else raw.once('close', () => end(held));
          });
        },
      };
    },

    /** From now on the key takes the share of its owner, where it comes from the same address. */
    admit: (bearer: Bearer, { companyId, integrationId }: KeyOwner): void =>
      owners.set(idOf(bearer), companyId ?? integrationId ?? ''),

    /** Until it is admitted again: nobody uses up the share of an owner with a key that is refused. */
    forget: (bearer: Bearer): void => owners.delete(idOf(bearer)),

    /** What a request found decides whether the next one for the same agent is large. */
    noteSize({ agentId }: Bearer, agent: StoredAgent | undefined): void {
      if (agentId === null || agent === undefined) return;
      const characters = agent.content.questions.reduce((sum, { length }) => sum + length, 0);
      if (characters > large) largeAgents.set(agentId, true);
      else largeAgents.delete(agentId);
    },
  };
}

/** What a route does is done when it is the turn of its request. */
export const shares = fp(async (app) => {
  app.decorateRequest('share');
  app.addHook('onRoute', (route) => {
    const { handler } = route;
    if (isList(route)) route.config = { ...route.config, isLarge: true };
    route.handler = function (request, reply) {
      return request.share.runToEnd(async () => handler.call(this, request, reply));
    };
  });
});

const isList = ({ schema }: RouteOptions) => Object.hasOwn(Object(Object(schema?.querystring).properties), 'limit');

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyRequest, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import type { StoredAgent } from '../agents/row.ts';
import { over } from '../http/bounded-server.ts';
import type { Deadline } from '../http/deadline.ts';
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

/** Who comes with a key, and for which agent. */
interface Bearer {
  readonly hash: string;
  readonly address: string | null;
  readonly agentId: string | null;
}

type Share = InstanceType<ReturnType<typeof openShares>>;

/**
 * Shares the server out, so that nobody alone fills the queues, the memory or the connections to the database that all
 * need: of one company or integration a number of requests run at once, of one key two large ones, and further ones wait.
 * A key that was not admitted from its address before takes the share of that address.
 * @returns the share of one request; made while its client is there
 */
export function openShares() {
  // Neither decides anything but where a request waits.
  const owners = bounded<string>(remembered);
  const largeAgents = bounded<true>(remembered);
  const byOwner = turns(ofOwner);
  const byKey = turns(ofKey);

  return class {
    readonly #bearer: Bearer;
    readonly #bearerId: string;
    readonly #owner: string;
    readonly #deadline: Deadline;
    readonly #response: ServerResponse;
    readonly #isLarge: boolean;
    /** Of `runToEnd`, once its task is done. */
    #turn: Turn | undefined;

    constructor(request: FastifyRequest, response: ServerResponse, bearer: Bearer) {
      this.#bearer = bearer;
      this.#bearerId = `${bearer.hash} ${bearer.address}`;
      this.#owner = owners.get(this.#bearerId) ?? senderOf(bearer.address ?? undefined);
      this.#deadline = request.deadline;
      this.#response = response;
      const { agentId } = bearer;
      this.#isLarge = isLarge(request) || (agentId !== null && largeAgents.has(agentId));
    }

    /** Does something for the request when it is its turn, and then lets others have it: while a body arrives, say. */
    async run<Result>(task: () => Promise<Result>): Promise<Result> {
      const taken = this.#takeTurn();
      const turn = taken instanceof Promise ? await taken : taken;
      try {
        return await task();
      } finally {
        turn.end();
      }
    }

    /** The same, but others have the turn when the response is over too, or its client has gone. */
    async runToEnd<Result>(task: () => Promise<Result>): Promise<Result> {
      const taken = this.#takeTurn();
      const turn = taken instanceof Promise ? await taken : taken;
      try {
        return await task();
      } finally {
        if (this.#response.closed) turn.end();
        else this.#turn = turn;
      }
    }

    /** The response is over. */
    end(): void {
      this.#turn?.end();
    }

    /** From now on the key takes the share of its owner, where it comes from the same address. */
    admit({ companyId, integrationId }: KeyOwner): void {
      owners.set(this.#bearerId, companyId ?? integrationId ?? '');
    }

    /** Until it is admitted again: nobody uses up the share of an owner with a key that is refused. */
    forget(): void {
      owners.delete(this.#bearerId);
    }

    /** What a request found decides whether the next one for the same agent is large. */
    noteSize(agent: StoredAgent | undefined): void {
      const { agentId } = this.#bearer;
      if (agentId === null || agent === undefined) return;
      let characters = 0;
      for (const { length } of agent.content.questions) characters += length;
      if (characters > large) largeAgents.set(agentId, true);
      else largeAgents.delete(agentId);
    }

    #takeTurn(): Turn | Promise<Turn> {
      return this.#isLarge ? this.#takeBoth() : byOwner.take(this.#owner, this.#deadline, this.#response);
    }

    /** The large ones wait for each other first, so that meanwhile small ones are served. */
    async #takeBoth(): Promise<Turn> {
      const first = await byKey.take(this.#bearer.hash, this.#deadline, this.#response);
      try {
        const second = await byOwner.take(this.#owner, this.#deadline, this.#response);
        return both(first, second);
      } catch (error) {
        first.end();
        throw error;
      }
    }
  };
}

const both = (one: Turn, other: Turn): Turn => ({
  end() {
    one.end();
    other.end();
  },
});

/** By its route, or by its body. */
function isLarge({ routeOptions, headers }: FastifyRequest): boolean {
  if (routeOptions.config.isLarge === true || headers['transfer-encoding'] !== undefined) return true;
  return Number(headers['content-length'] ?? 0) > large;
}

/** What a route does is done when it is the turn of its request. */
export const shares = fp(async (app) => {
  app.decorateRequest('share');
  app.server.on(over, ({ exchange }: IncomingMessage) => exchange?.request?.share?.end());
  app.addHook('onRoute', (route) => {
    const { handler } = route;
    if (isList(route)) route.config = { ...route.config, isLarge: true };
    route.handler = function (request, reply) {
      return request.share.runToEnd(async () => handler.call(this, request, reply));
    };
  });
});

const isList = ({ schema }: RouteOptions) => Object.hasOwn(Object(Object(schema?.querystring).properties), 'limit');

import type { ServerResponse } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { StoredAgent } from '../agents/row.ts';
import { senderOf } from '../http/address.ts';
import type { Deadline } from '../http/deadline.ts';
import { exchangeOf } from '../http/exchange.ts';
import { type Turn, turns } from '../http/turns.ts';
import type { KeyOwner } from './api-key.ts';
import { bounded } from './bounded-map.ts';
import type { Lookup } from './lookup.statements.ts';

/** Requests of one owner. More at the same time would not be faster, and would delay other owners. */
export const perOwner = { running: 64, waiting: 1_000 };

/** Large requests of one key; each takes some 20 ms of the database and the server. */
export const perKey = { running: 2, waiting: 50 };

/**
 * Lookups of keys that were not admitted from their address before, all of them together. Must be less than the lookups that
 * may wait (`database/group.ts`), so that the other keys find a place among them.
 */
export const ofNewcomers = { running: 256, waiting: 1_000 };

/** A request is large if its body has more bytes, or its agent's questions have more characters, than this. */
const large = 32_768;

/** Maximum number of keys, and of large agents, that are remembered. */
const maxRemembered = 10_000;

declare module 'fastify' {
  interface FastifyRequest {
    /** Limits how many tasks of the request's owner, and of its key, run at the same time. */
    turns: RequestTurns;
  }
  interface FastifyContextConfig {
    /** Whether every request to the route counts as large: it reads a page, or versions of an agent. */
    isLarge?: boolean;
  }
}

/** The key, the client's address and the agent of a request. */
type Bearer = Pick<Lookup, 'hash' | 'address' | 'agentId'>;

type RequestTurns = InstanceType<ReturnType<typeof concurrencyLimits>>;

/**
 * Limits concurrency, so that one tenant cannot use up the queues, the memory or the database connections that all share:
 * 64 requests of one company or integration run at the same time, and two large requests of one key; further ones wait.
 * Until its key is looked up, a request counts for its owner if the key was admitted from its address before; otherwise for
 * that address, and as one of at most 256 such requests.
 * @returns a class with an instance for each request; create it while the client is connected
 */
export function concurrencyLimits() {
  // Both only decide in which queue a request waits.
  const owners = bounded<string>(maxRemembered);
  const largeAgents = bounded<true>(maxRemembered);
  const byOwner = turns(perOwner);
  const byKey = turns(perKey);
  const newcomers = turns(ofNewcomers);

  return class {
    readonly #bearer: Bearer;
    readonly #bearerId: string;
    /** The owner of the key if it was admitted, else the sender. */
    #owner: string;
    #isAdmitted: boolean;
    readonly #deadline: Deadline;
    readonly #response: ServerResponse;
    #isLarge: boolean;
    /** Whether the request had to wait for a turn. */
    hasWaited = false;
    /** The turn that `keep` received, until the response is over. */
    #turn: Turn | undefined;

    constructor(request: FastifyRequest, response: ServerResponse, bearer: Bearer) {
      this.#bearer = bearer;
      this.#bearerId = `${bearer.hash} ${bearer.address}`;
      const owner = owners.get(this.#bearerId);
      this.#isAdmitted = owner !== undefined;
      this.#owner = owner ?? senderOf(bearer.address ?? undefined);
      this.#deadline = request.deadline;
      this.#response = response;
      const { agentId } = bearer;
      this.#isLarge = isLarge(request) || (agentId !== null && largeAgents.has(sizeName(bearer, agentId)));
    }

    /** @returns a turn, which must be ended; a promise only if the request has to wait */
    take(): Turn | Promise<Turn> {
      const takesOne = this.#isAdmitted && !this.#isLarge;
      return takesOne ? this.#takeFrom(byOwner, this.#owner) : this.#takeSeveral();
    }

    #takeFrom(line: typeof byOwner, name: string): Turn | Promise<Turn> {
      const turn = line.take(name, this.#deadline, this.#response);
      if (turn instanceof Promise) this.hasWaited = true;
      return turn;
    }

    /** Ends a turn when the response is over: it was sent, or the client closed the connection. */
    keep(turn: Turn): void {
      if (this.#response.closed) turn.end();
      else this.#turn = turn;
    }

    /** Call it when the response is over. */
    end(): void {
      this.#turn?.end();
    }

    /**
     * Counts the request, and further ones of the key from the same address, for the key's owner.
     * @param agent the agent of the request, if the request acts for its company; its size is remembered
     */
    admit({ companyId, integrationId }: KeyOwner, agent: StoredAgent | undefined): void {
      const owner = companyId ?? integrationId ?? '';
      this.#owner = owner;
      this.#isAdmitted = true;
      if (owners.get(this.#bearerId) !== owner) owners.set(this.#bearerId, owner);
      if (agent) this.#noteSize(sizeName(this.#bearer, agent.id), agent);
    }

    /** Undoes `admit`, so that requests with a refused key do not count for its owner. */
    forget(): void {
      owners.delete(this.#bearerId);
    }

    /** If an agent is large, this request and further ones with the key for the agent count as large. */
    #noteSize(name: string, { content }: StoredAgent): void {
      let characters = 0;
      for (const { length } of content.questions) characters += length;
      if (characters > large) {
        largeAgents.set(name, true);
        this.#isLarge = true;
      } else largeAgents.delete(name);
    }

    /** Takes the turns in an order in which a request that waits holds only those that fewer others wait for. */
    async #takeSeveral(): Promise<Turn> {
      const taken: Turn[] = [];
      const end = () => {
        for (const turn of taken) turn.end();
      };
      try {
        if (this.#isLarge) taken.push(await this.#takeFrom(byKey, this.#bearer.hash));
        taken.push(await this.#takeFrom(byOwner, this.#owner));
        if (!this.#isAdmitted) taken.push(await this.#takeFrom(newcomers, ''));
        return { end };
      } catch (error) {
        end();
        throw error;
      }
    }
  };
}

/** Sizes are remembered by key: another company must not learn the size of an agent from how its own requests wait. */
const sizeName = ({ hash }: Bearer, agentId: string): string => `${hash} ${agentId}`;

/** Whether the route or the body makes a request large. */
function isLarge({ raw, headers }: FastifyRequest): boolean {
  if (exchangeOf(raw).config.isLarge === true || headers['transfer-encoding'] !== undefined) return true;
  return Number(headers['content-length'] ?? 0) > large;
}

import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyContextConfig, FastifyRequest } from 'fastify';
import { holdsKey } from '../auth/api-key.ts';
import type { RequestSpan } from '../tracing/spans.ts';
import type { ApiError } from './problems.ts';

const noConfig: FastifyContextConfig = {};

/** The state of a request and its response, mainly for the log; requests without a route have one too. */
export class Exchange {
  /** When the request was begun, in milliseconds on the clock of `performance.now()`. */
  readonly start = performance.now();
  readonly requestId: string;
  /** Undefined if no hook of Fastify has run. */
  request: FastifyRequest | undefined;
  /** The pattern and the configuration of its route. Fastify makes `routeOptions` anew for each reading. */
  route: string | null = null;
  config = noConfig;
  /** The span of the request, if its trace is recorded. */
  span: RequestSpan | undefined;
  /** The problem that the request is answered with. */
  problem: ApiError | undefined;
  /** The rate limit headers of the answer, for answers that are written without Fastify. */
  rateLimits: Readonly<Record<string, string>> = {};
  /** The key and the company, as soon as they are known; also of a refused request. */
  keyId: string | null = null;
  companyId: string | null = null;
  /** The agent id in the path, whether the agent exists or not. */
  agentId: string | null = null;
  /** The client's address (docs/contract.md#authentication); null if a proxy passed on something else than an address. */
  address: string | null = null;

  constructor(message: IncomingMessage) {
    this.requestId = givenRequestId(message) ?? randomUUID();
  }
}

declare module 'node:http' {
  interface IncomingMessage {
    /** Set by `exchangeOf`. */
    exchange?: Exchange;
  }
}

export function exchangeOf(message: IncomingMessage): Exchange {
  message.exchange ??= new Exchange(message);
  return message.exchange;
}

/** What X-Request-Id of a request must be. */
export const requestIdFormat = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * X-Request-Id of the request if it has that format and holds no API key (docs/contract.md#answers): it is logged,
 * kept in the history and shown to others.
 */
function givenRequestId({ headers }: IncomingMessage): string | undefined {
  const given = headers['x-request-id'];
  if (typeof given !== 'string' || !requestIdFormat.test(given)) return undefined;
  return holdsKey(given) ? undefined : given;
}

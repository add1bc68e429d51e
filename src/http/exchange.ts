import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyContextConfig, FastifyRequest } from 'fastify';
import { holdsKey } from '../auth/api-key.ts';
import type { RequestSpan } from '../tracing/spans.ts';
import type { ApiError } from './problems.ts';

/** The state of a request and its response, mainly for the log; requests without a route have one too. */
export interface Exchange {
  /** When the request was begun, in milliseconds on the clock of `performance.now()`. */
  readonly start: number;
  readonly requestId: string;
  /** Undefined if no hook of Fastify has run. */
  request: FastifyRequest | undefined;
  /** The pattern and the configuration of its route. Fastify makes `routeOptions` anew for each reading. */
  route: string | null;
  config: FastifyContextConfig;
  /** The span of the request, if its trace is recorded. */
  span: RequestSpan | undefined;
  /** The problem that the request is answered with. */
  problem: ApiError | undefined;
  /** The rate limit headers of the answer, for answers that are written without Fastify. */
  rateLimits: Readonly<Record<string, string>>;
  /** The key and the company, as soon as they are known; also of a refused request. */
  keyId: string | null;
  companyId: string | null;
  /** The agent id in the path, whether the agent exists or not. */
  agentId: string | null;
  /** The client's address (docs/contract.md#authentication); null if a proxy passed on something else than an address. */
  address: string | null;
}

declare module 'node:http' {
  interface IncomingMessage {
    /** Set by `exchangeOf`. */
    exchange?: Exchange;
  }
}

export function exchangeOf(message: IncomingMessage): Exchange {
  message.exchange ??= {
    start: performance.now(),
    requestId: givenRequestId(message) ?? randomUUID(),
    request: undefined,
    route: null,
    config: noConfig,
    span: undefined,
    problem: undefined,
    rateLimits: {},
    keyId: null,
    companyId: null,
    agentId: null,
    address: null,
  };
  return message.exchange;
}

const noConfig: FastifyContextConfig = {};

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

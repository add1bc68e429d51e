import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { ApiError } from './problems.ts';

/** What the server keeps of a request and its response, also where Fastify never sees them: for the log above all. */
export interface Exchange {
  /** When the request was begun, in milliseconds as `performance.now()` counts. */
  start: number;
  readonly requestId: string;
  /** Undefined where no hook has run. */
  request: FastifyRequest | undefined;
  /** The problem that it is answered with. */
  problem: ApiError | undefined;
  /** What the answer says of rate limits, for those who answer without Fastify. */
  rateLimits: Readonly<Record<string, string>>;
  /** Who is known so far, also of a request that was refused. */
  keyId: string | null;
  companyId: string | null;
  /** The agent in the path, whoever owns it, and whether it is there or not. */
  agentId: string | null;
  /** Where the request came from (docs/contract.md#authentication); null where a proxy said something that is no address. */
  address: string | null;
}

declare module 'node:http' {
  interface IncomingMessage {
    /** Set by `exchangeOf`. */
    exchange?: Exchange;
  }
}

export const newRequestId = (): string => randomUUID();

export function exchangeOf(message: IncomingMessage): Exchange {
  message.exchange ??= {
    start: performance.now(),
    requestId: givenRequestId(message) ?? newRequestId(),
    request: undefined,
    problem: undefined,
    rateLimits: {},
    keyId: null,
    companyId: null,
    agentId: null,
    address: null,
  };
  return message.exchange;
}

/** The caller's request id where it is 1–128 of `[A-Za-z0-9._-]`, else a new one (docs/contract.md#answers). */
export const requestIdOf = (message: IncomingMessage): string => exchangeOf(message).requestId;

function givenRequestId({ headers }: IncomingMessage): string | undefined {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : undefined;
}

import type { FastifyReply, FastifyRequest } from 'fastify';
import { exchangeOf } from '../http/exchange.ts';
import { ApiError } from '../http/problems.ts';
import type { Count } from './counters.ts';
import type { RateLimits, Verdict } from './rate-limits.ts';
import type { FoundKey } from './row.schema.ts';

/** 429 with Retry-After: the seconds after which the next request is allowed. */
export const rateLimited = (seconds: number) =>
  new ApiError('RATE_LIMITED', { headers: { 'retry-after': String(seconds) } });

/** The rate limits of a key, with the values of the answer's headers; null for a window without a limit. */
export function rateLimitsOf({ raw }: FastifyRequest) {
  const headers = exchangeOf(raw).rateLimits;
  const read = ([ofLimit, ofRemaining, ofReset]: readonly [string, string, string]) =>
    headers[ofLimit] === undefined
      ? null
      : {
          limit: Number(headers[ofLimit]),
          remaining: Number(headers[ofRemaining]),
          resetsAt: new Date(Number(headers[ofReset]) * 1_000),
        };
  return { minute: read(names.minute), hour: read(names.hour) };
}

/**
 * Check 5: counts a request of a key, and sets the rate limit headers of its answer, also if that is an error.
 * @returns for a request over the limit the whole seconds until the next one is allowed, else undefined; a promise only if
 * another process counts
 */
export function countRequest(
  limits: RateLimits,
  key: FoundKey,
  { raw }: FastifyRequest,
  reply: FastifyReply,
): number | undefined | Promise<number | undefined> {
  const show = ({ windows, wait }: Verdict) => {
    if (windows.length > 0) {
      const headers = Object.fromEntries(windows.flatMap(headersOf));
      exchangeOf(raw).rateLimits = headers;
      reply.headers(headers);
    }
    return wait;
  };
  const verdict = limits.count(key);
  return verdict instanceof Promise ? verdict.then(show) : show(verdict);
}

const names = {
  minute: ['x-ratelimit-limit-minute', 'x-ratelimit-remaining-minute', 'x-ratelimit-reset-minute'],
  hour: ['x-ratelimit-limit-hour', 'x-ratelimit-remaining-hour', 'x-ratelimit-reset-hour'],
} as const;

function headersOf({ name, limit, used, endsAt }: Count): [name: string, value: string][] {
  if (name === 'refused') return [];
  const [ofLimit, ofRemaining, ofReset] = names[name];
  return [
    [ofLimit, String(limit)],
    [ofRemaining, String(Math.max(limit - used, 0))],
    [ofReset, String(Math.ceil(endsAt / 1_000))],
  ];
}

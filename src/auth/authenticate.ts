import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { type AgentInPath, isSmall } from '../agents/row.ts';
import { over } from '../http/bounded-server.ts';
import { countHeader } from '../http/connections.ts';
import { Deadline } from '../http/deadline.ts';
import { type Exchange, exchangeOf } from '../http/exchange.ts';
import { isRecord } from '../http/json.ts';
import { isUuid } from '../http/uuid.ts';
import { type Asked, checkAgain, type InvalidKey, invalidKey, requireAccess, whyInactive } from './access.ts';
import { hashesOf, type KeyOwner, type KeySecrets, readKey, type Scope } from './api-key.ts';
import { bounded } from './bounded-map.ts';
import type { Admission, Caller, OwnerCaller } from './caller.ts';
import { concurrencyLimits } from './concurrency-limits.ts';
import type { ApiKeyUse } from './key-use.ts';
import type { ApiKeyRepository, LookedUp } from './lookup.repository.ts';
import { countRequest, rateLimited } from './rate-limit-headers.ts';
import type { RateLimits } from './rate-limits.ts';
import type { FoundKey } from './row.schema.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set in the authenticated scope, on routes that act for one company. */
    caller: Caller;
    /** Set on routes with `orIntegration`. */
    ownerCaller: OwnerCaller;
    /** The key's id and its owner. */
    owner: KeyOwner & { readonly keyId: string };
    /** How the request was admitted; also part of its caller. */
    admission: Admission;
    /** The id of the agent in the path, in lower case; empty if there is none or it is not a UUID. */
    agentId: string;
    /**
     * That agent, read after the request arrived, until the request is answered. Whether it exists and is the company's is
     * checked later (10 and 11).
     */
    readAhead: AgentInPath;
    deadline: Deadline;
  }
  interface FastifyContextConfig {
    /** The scope that the key needs; `any`: none. Required on every route behind authentication. */
    scope?: Scope | 'any';
    /**
     * What `:id` in the path identifies. Required on every route behind authentication that has `:id`. With `agent`, the
     * agent is read together with the key.
     */
    idOf?: 'agent' | 'other';
    /** The route does not act for one company: check 7 is skipped, and `request.caller` is not set. */
    forAnyCompany?: boolean;
    /**
     * An ATS key may omit `companyId` on the route, and then acts for its integration. `request.ownerCaller` is set instead
     * of `request.caller`.
     */
    orIntegration?: boolean;
  }
}

interface Options {
  readonly keys: Pick<ApiKeyRepository, 'lookUp'>;
  readonly uses: ApiKeyUse;
  readonly secrets: KeySecrets;
  readonly limits: RateLimits;
  /** Milliseconds within which a request is answered; by default those of `Deadline`. */
  readonly longestRequest?: number | undefined;
}

/**
 * Authentication and authorization of all routes in the Fastify scope that it is registered in: checks 2 to 7
 * (docs/contract.md#the-order-of-checks), in that order, before a body is read.
 * @throws Error at the start for a route without `config.scope`, or with `:id` and without `config.idOf`
 */
export const authenticate = fp(async (app, options: Options) => {
  const { keys, uses, secrets, limits, longestRequest } = options;
  // When the next request of each key is allowed, of the last 10,000 that exceeded a rate limit. Until then the agent is not
  // read together with the key, since the request is probably refused too. Only an optimization: the counters decide.
  const limitedUntil = bounded<number>(10_000);
  const RequestTurns = concurrencyLimits();
  app.addHook('onRoute', ({ method, url, config }) => {
    if (!config?.scope) throw new Error(`${method} ${url} declares no scope`);
    const hasId = url.split('/').includes(':id');
    if (hasId && !config.idOf)
      throw new Error(`${method} ${url} does not declare in config.idOf what :id is the id of`);
    if (!hasId && config.idOf) throw new Error(`${method} ${url} declares config.idOf, but its path has no :id`);
  });

  for (const name of ['caller', 'readAhead', 'owner', 'admission', 'agentId', 'deadline']) app.decorateRequest(name);
  app.server.on(over, ({ exchange }: IncomingMessage) => exchange?.request?.deadline?.end());
  app.addHook('onRequest', async (request, reply) => {
    const exchange = exchangeOf(request.raw);
    const deadline = new Deadline(exchange.start, longestRequest);
    request.deadline = deadline;
    const asked = askedBy(request, exchange);
    const { companyId, address, scope, agentId } = asked;
    request.agentId = agentId ?? '';
    exchange.agentId = agentId;
    const isSentOnce = countHeader(request.raw.rawHeaders, 'authorization') === 1;
    const text = isSentOnce ? readKey(request.headers.authorization ?? '') : undefined;
    if (text === undefined) return await refuseKey(asked, 'malformed');
    const hashes = hashesOf(text, secrets);
    const { hash, formerHash } = hashes;
    const keyLookup = { hash, formerHash, companyId, address, scope: scope === 'any' ? undefined : scope };
    const turns = new RequestTurns(request, reply.raw, { hash, address, agentId });
    request.turns = turns;
    const taken = turns.take();
    const turn = taken instanceof Promise ? await taken : taken;
    let found: LookedUp;
    try {
      const isLimited = (limitedUntil.get(hash) ?? 0) > performance.now();
      const both = { ...keyLookup, agentId: isLimited ? null : agentId };
      found = await deadline.race(keys.lookUp(both, deadline.at, exchange.span));
    } finally {
      // Not held while the body arrives.
      turn.end();
    }
    const { key, agent, isForeign, agentWasRead, readOrder } = found;
    if (key) exchange.keyId = key.id;
    const refusal = key && whyInactive(key, asked);
    if (!key || key.ended || refusal) turns.forget();
    if (!key || key.ended) return await refuseKey(asked, key?.ended ?? 'unknown');
    if (refusal) throw refusal;
    turns.admit(key, agent);
    uses.note(key.id, hashes);
    const counting = countRequest(limits, key, request, reply);
    const wait = counting instanceof Promise ? await counting : counting;
    if (wait !== undefined) {
      limitedUntil.set(hash, performance.now() + wait * 1_000);
      throw rateLimited(wait);
    }
    // The limits may have been raised, or another process counts now.
    limitedUntil.delete(hash);
    const lookup = { ...keyLookup, agentId: null };
    setCaller(request, key, asked, { lookedUpAt: found.at, databaseTime: found.databaseTime, lookup });
    // Not kept while a body arrives, unless it is small: for a head of 200 bytes it would take as much memory as the agent does,
    // for as long as the client likes.
    const isKept = request.raw.complete || !agent || isSmall(agent);
    if (isKept && (agentWasRead || agentId === null)) request.readAhead = { agent, isForeign, readOrder };
  });

  app.addHook('onClose', () => uses.settled());

  async function refuseKey({ address }: Asked, why: InvalidKey): Promise<never> {
    const wait = await limits.countRefused(address ?? undefined);
    throw wait === undefined ? invalidKey(why) : rateLimited(wait);
  }
});

/** Checks 6 and 7 for a key that may be used. Sets `owner`, and `caller` or `ownerCaller`. */
function setCaller(request: FastifyRequest, key: FoundKey, asked: Asked, found: Omit<Admission, 'check'>): void {
  const exchange = exchangeOf(request.raw);
  const companyId = requireAccess(key, asked);
  const { id: keyId, integrationId } = key;
  request.owner = { keyId, companyId: key.companyId, integrationId };
  const admission = { ...found, check: (again: FoundKey | undefined) => checkAgain(again, asked) };
  request.admission = admission;
  const { id: requestId, deadline } = request;
  const { address, span } = exchange;
  const admitted = { keyId, requestId, address, admission, deadline, span };
  if (companyId !== undefined) exchange.companyId = companyId;
  if (asked.orIntegration) {
    const owner = { companyId: companyId ?? null, integrationId: companyId === undefined ? integrationId : null };
    request.ownerCaller = { ...admitted, owner };
  } else if (companyId !== undefined) request.caller = { ...admitted, companyId };
}

function askedBy({ query, params }: FastifyRequest, { address, config }: Exchange): Asked {
  const { scope, forAnyCompany = false, orIntegration = false, idOf } = config;
  const sentCompany = memberOf(query, 'companyId');
  const agentId = idOf === 'agent' ? uuidOrNull(memberOf(params, 'id')) : null;
  const companyId = uuidOrNull(sentCompany);
  return { scope, forAnyCompany, orIntegration, sentCompany, query, companyId, agentId, address };
}

const uuidOrNull = (value: unknown) => (isUuid(value) ? value.toLowerCase() : null);

const memberOf = (part: unknown, name: 'companyId' | 'id'): unknown => (isRecord(part) ? part[name] : undefined);

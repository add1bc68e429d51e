import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { ReadAhead } from '../agents/write/batch.ts';
import { countHeader } from '../http/connections.ts';
import { isUuid } from '../http/uuid.ts';
import { type Asked, checkAgain, invalidKey, isValid, requireAccess, requireActive } from './access.ts';
import { callerAddress } from './address.ts';
import { hashesOf, type KeyOwner, type KeySecrets, readKey, type Scope } from './api-key.ts';
import type { Caller, OwnerCaller } from './caller.ts';
import type { ApiKeyUse } from './key-use.ts';
import { limitedKeys } from './limited-keys.ts';
import type { FoundKey } from './lookup.statements.ts';
import type { ApiKeyRepository } from './lookup.ts';
import { countRefusedKey, countRequest } from './rate-limit-headers.ts';
import type { RateLimits } from './rate-limits.ts';
import { openShares } from './shares.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Throws outside the authenticated scope. */
    readonly caller: Caller;
    /** Throws where the route is not one with `orIntegration`. */
    readonly ownerCaller: OwnerCaller;
    /** For the log: who is known so far, also of a request that was refused. */
    known: { keyId?: string; companyId?: string };
    /** Which key it is, and whose. */
    owner: KeyOwner & { readonly keyId: string };
    /** The agent that the path names, whoever owns it, as it was found since the request arrived. */
    readAhead: ReadAhead;
  }
  interface FastifyContextConfig {
    /** What the key must be allowed to do, or `any` for a key with any scopes; every route in the authenticated scope declares it. */
    scope?: Scope | 'any';
    /**
     * What `:id` in the path is the id of; every route in the authenticated scope that has it says so. An agent is looked up
     * together with the key, and is the company's or answered 403.
     */
    idOf?: 'agent' | 'other';
    /** A route that does not act for one company: step 7 is left out, and so is `request.caller`. */
    forAnyCompany?: boolean;
    /**
     * A route on which an ATS key may leave `companyId` out and then acts for its integration: it has
     * `request.ownerCaller` in place of `request.caller`.
     */
    orIntegration?: boolean;
  }
}

interface Options {
  readonly keys: ApiKeyRepository;
  readonly uses: ApiKeyUse;
  readonly secrets: KeySecrets;
  readonly limits: RateLimits;
  /** Reads one agent, whoever owns it; undefined when it is not there or deleted. */
  readonly readAgent: (id: string) => Promise<ReadAhead>;
}

const callers = new WeakMap<FastifyRequest, Caller>();
const ownerCallers = new WeakMap<FastifyRequest, OwnerCaller>();

/**
 * Admits requests to the scope that it is registered in: checks 2 to 7 of the contract's section 1, in that order,
 * before a body is read. A route that declares no scope, or does not say what its `:id` names, fails the start.
 */
export const authenticate = fp(async (app, { keys, uses, secrets, limits, readAgent }: Options) => {
  const limited = limitedKeys();
  const shares = openShares();
  app.decorateRequest('caller', {
    getter() {
      const caller = callers.get(this);
      if (!caller) throw new Error('request.caller outside the authenticated scope');
      return caller;
    },
  });

  app.decorateRequest('ownerCaller', {
    getter() {
      const caller = ownerCallers.get(this);
      if (!caller) throw new Error('request.ownerCaller on a route without orIntegration');
      return caller;
    },
  });

  app.addHook('onRoute', ({ method, url, config }) => {
    if (!config?.scope) throw new Error(`${method} ${url} declares no scope`);
    const hasId = url.split('/').includes(':id');
    if (hasId && !config.idOf)
      throw new Error(`${method} ${url} does not declare in config.idOf what :id is the id of`);
    if (!hasId && config.idOf) throw new Error(`${method} ${url} declares config.idOf, but its path has no :id`);
  });

  app.decorateRequest('readAhead');
  app.decorateRequest('owner');
  app.addHook('onRequest', async (request, reply) => {
    // While the connection is there: its address may be gone when the key has been looked up.
    const asked = askedBy(request);
    const text = readKey(onlyHeader(request, 'authorization'));
    if (text === undefined) return await refuseKey(asked);
    const hashes = hashesOf(text, secrets);
    const agentId = agentIdOf(request);
    const { companyId, address, scope } = asked;
    const needed = scope === 'any' ? undefined : scope;
    const lookup = { ...hashes, companyId, address, scope: needed, agentId: limited.has(hashes.hash) ? null : agentId };
    const bearer = { hash: hashes.hash, address, agentId };
    request.share = shares.open(request, reply, bearer);
    const { key, agent, agentWasRead, readAt, at, databaseTime } = await request.share.run(() => keys.lookUp(lookup));
    if (key) request.known.keyId = key.id;
    shares.forget(bearer);
    shares.noteSize(bearer, agent);
    if (!isValid(key)) return await refuseKey(asked);
    requireActive(key, asked);
    shares.admit(bearer, key);
    uses.note({ id: key.id, ...hashes });
    const tooMany = await countRequest(limits, key, request, reply);
    if (tooMany) {
      limited.note(hashes.hash, tooMany.wait);
      throw tooMany.error;
    }
    const actsFor = requireAccess(key, asked);
    request.owner = { keyId: key.id, companyId: key.companyId, integrationId: key.integrationId };
    const check = (found: FoundKey | undefined) => checkAgain(found, asked);
    const admission = { lookedUpAt: at, databaseTime, lookup: { ...lookup, agentId: null }, check };
    const admitted = { keyId: key.id, requestId: request.id, address, admission };
    if (actsFor !== undefined) request.known.companyId = actsFor;
    if (asked.orIntegration) {
      const owner =
        actsFor === undefined
          ? { companyId: null, integrationId: key.integrationId }
          : { companyId: actsFor, integrationId: null };
      ownerCallers.set(request, { ...admitted, owner });
    } else if (actsFor !== undefined) callers.set(request, { ...admitted, companyId: actsFor });
    // The statement is stricter than the checks here about an allow-list that it cannot read, or about a rate limit.
    request.readAhead = agentWasRead || agentId === null ? { agent, readAt } : await readAgent(agentId);
  });

  app.addHook('onClose', () => uses.settled());

  async function refuseKey({ address }: Asked): Promise<never> {
    await countRefusedKey(limits, address);
    throw invalidKey();
  }
});

/** A header's value, or nothing when it is missing or repeated. */
function onlyHeader({ raw, headers }: FastifyRequest, name: 'authorization'): string {
  return countHeader(raw.rawHeaders, name) === 1 ? (headers[name] ?? '') : '';
}

function askedBy(request: FastifyRequest): Asked {
  const { scope, forAnyCompany = false, orIntegration = false } = request.routeOptions.config;
  const wanted = companyIdOf(request);
  return {
    scope,
    forAnyCompany,
    orIntegration,
    wanted,
    companyId: uuidOrNull(wanted),
    address: callerAddress(request.ip) ?? null,
  };
}

const uuidOrNull = (value: unknown) => (isUuid(value) ? value.toLowerCase() : null);

const agentIdOf = ({ params, routeOptions }: FastifyRequest): string | null =>
  routeOptions.config.idOf === 'agent' && typeof params === 'object' && params !== null && 'id' in params
    ? uuidOrNull(params.id)
    : null;

const companyIdOf = ({ query }: FastifyRequest): unknown =>
  typeof query === 'object' && query !== null && 'companyId' in query ? query.companyId : undefined;

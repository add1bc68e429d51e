import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { addressList, plainAddress } from '../address.ts';
import type { StoredAgent } from '../agents/agent.row.ts';
import type { KeyOwner } from '../api-keys/api-key.lifecycle.ts';
import type { ApiKeyRepository, FoundKey, LookedUp } from '../api-keys/api-key.repository.ts';
import { hashesOf, type KeyHashes, type KeySecrets, readKey, type Scope } from '../api-keys/api-key.ts';
import type { ApiKeyUse } from '../api-keys/api-key-use.repository.ts';
import type { Caller } from '../caller.ts';
import { ApiError, invalid, scopeMissing } from '../errors.ts';
import { complaints, inParameter } from '../faults.ts';
import type { RateLimits } from '../rate-limits/rate-limits.ts';
import { isUuid } from '../uuid.ts';
import { countHeader } from './connections.ts';
import { countRefusedKey, countRequest } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Throws outside the authenticated scope. */
    readonly caller: Caller;
    /** For the log: who is known so far, also of a request that was refused. */
    known: { keyId?: string; companyId?: string };
    /** Whose the key is. */
    owner: KeyOwner;
    /** The agent that the path names, whoever owns it, as it was found since the request arrived. */
    readAhead: { readonly agent: StoredAgent | undefined };
  }
  interface FastifyContextConfig {
    /** What the key must be allowed to do; every route in the authenticated scope declares one. */
    scope?: Scope;
    /** A route that does not act for one company: step 7 is left out, and so is `request.caller`. */
    forAnyCompany?: boolean;
  }
}

interface Options {
  readonly keys: ApiKeyRepository;
  readonly uses: ApiKeyUse;
  readonly secrets: KeySecrets;
  readonly limits: RateLimits;
}

const callers = new WeakMap<FastifyRequest, Caller>();

/**
 * Admits requests to the scope that it is registered in: checks 2 to 7 of the contract's section 1, in that order,
 * before a body is read. A route without a declared scope fails the start.
 */
export const authenticate = fp(async (app, { keys, uses, secrets, limits }: Options) => {
  app.decorateRequest('caller', {
    getter() {
      const caller = callers.get(this);
      if (!caller) throw new Error('request.caller outside the authenticated scope');
      return caller;
    },
  });

  app.addHook('onRoute', ({ method, url, config }) => {
    if (!config?.scope) throw new Error(`${method} ${url} declares no scope`);
  });

  app.decorateRequest('readAhead');
  app.decorateRequest('owner');
  app.addHook('onRequest', async (request, reply) => {
    // While the connection is there: it may be gone when the key has been looked up.
    const address = plainAddress(request.ip) ?? null;
    const { key, agent, hashes } = await lookUp(request);
    if (key) request.known.keyId = key.id;
    if (!key || !hashes || key.ended) {
      await countRefusedKey(limits, request);
      throw new ApiError('INVALID_API_KEY', challenge);
    }
    if (key.suspended) throw new ApiError('API_KEY_SUSPENDED', challenge);
    requireAddress(key, request);
    uses.note({ id: key.id, ...hashes });
    await countRequest(limits, key, request, reply);
    requireScope(key, request.routeOptions.config.scope);
    request.owner = { companyId: key.companyId, integrationId: key.integrationId };
    request.readAhead = { agent };
    if (request.routeOptions.config.forAnyCompany) return;
    const companyId = resolveCompany(key, companyIdOf(request));
    request.known.companyId = companyId;
    callers.set(request, { keyId: key.id, companyId, requestId: request.id, address });
  });

  app.addHook('onClose', () => uses.settled());

  /** One question to the database for all that the checks need, and for the agent that the path names. */
  async function lookUp(request: FastifyRequest): Promise<Partial<LookedUp> & { readonly hashes?: KeyHashes }> {
    const text = readKey(onlyHeader(request, 'authorization'));
    if (text === undefined) return { key: undefined, agent: undefined };
    const companyId = uuidOrNull(companyIdOf(request));
    const hashes = hashesOf(text, secrets);
    return { ...(await keys.lookUp({ ...hashes, companyId, agentId: agentIdOf(request) })), hashes };
  }
});

const challenge = { headers: { 'www-authenticate': 'Bearer' } };

/** A header's value, or nothing when it is missing or repeated. */
function onlyHeader({ raw, headers }: FastifyRequest, name: 'authorization'): string {
  return countHeader(raw.rawHeaders, name) === 1 ? (headers[name] ?? '') : '';
}

/** What is no address, such as a name that a trusted proxy passes on, is in no list. */
function requireAddress({ allowedIps }: FoundKey, request: FastifyRequest): void {
  if (allowedIps.length > 0 && !addressList(allowedIps)(request.ip)) throw new ApiError('IP_NOT_ALLOWED');
}

function requireScope(key: FoundKey, scope: Scope | undefined): void {
  if (!scope || !key.scopes.includes(scope)) throw scopeMissing(String(scope));
}

const uuidOrNull = (value: unknown) => (isUuid(value) ? value.toLowerCase() : null);

const agentIdOf = ({ params }: FastifyRequest): string | null =>
  uuidOrNull(typeof params === 'object' && params !== null && 'id' in params ? params.id : null);

const companyIdOf = ({ query }: FastifyRequest): unknown =>
  typeof query === 'object' && query !== null && 'companyId' in query ? query.companyId : undefined;

/** Step 7: a company key acts for its own company, whatever the query says; an ATS key for the one it names. */
function resolveCompany(key: FoundKey, wanted: unknown): string {
  if (key.companyId !== null) return key.companyId;
  if (wanted === undefined || wanted === '') throw new ApiError('COMPANY_ID_REQUIRED');
  if (Array.isArray(wanted)) throw invalid([inParameter('query', 'companyId', complaints.givenTwice())]);
  if (!isUuid(wanted)) throw invalid([inParameter('query', 'companyId', complaints.badFormat('uuid'))]);
  if (!key.granted) throw new ApiError('COMPANY_ACCESS_DENIED');
  return wanted.toLowerCase();
}

import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { ReadAhead } from '../agents/write/batch.ts';
import { countHeader } from '../http/connections.ts';
import { complaints, inParameter } from '../http/faults.ts';
import { scopeMissing } from '../http/particular-problems.ts';
import { ApiError, invalid } from '../http/problems.ts';
import { isUuid } from '../http/uuid.ts';
import { addressList, callerAddress } from './address.ts';
import { hashesOf, type KeyOwner, type KeySecrets, readKey, type Scope } from './api-key.ts';
import type { Caller } from './caller.ts';
import type { ApiKeyUse } from './key-use.ts';
import { limitedKeys } from './limited-keys.ts';
import type { FoundKey, Lookup } from './lookup.statements.ts';
import type { ApiKeyRepository } from './lookup.ts';
import { countRefusedKey, countRequest } from './rate-limit-headers.ts';
import type { RateLimits } from './rate-limits.ts';
import { openShares } from './shares.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Throws outside the authenticated scope. */
    readonly caller: Caller;
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

/** What a request asks for, apart from its key. */
interface Asked extends Pick<Lookup, 'companyId' | 'address'> {
  readonly scope: Scope | 'any' | undefined;
  readonly forAnyCompany: boolean;
  /** `companyId` in the query, as it was sent. */
  readonly wanted: unknown;
}

const callers = new WeakMap<FastifyRequest, Caller>();

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
    if (actsFor !== undefined) {
      request.known.companyId = actsFor;
      const check = (found: FoundKey | undefined) => checkAgain(found, asked);
      const admission = { lookedUpAt: at, databaseTime, lookup: { ...lookup, agentId: null }, check };
      callers.set(request, { keyId: key.id, companyId: actsFor, requestId: request.id, address, admission });
    }
    // The statement is stricter than the checks here about an allow-list that it cannot read, or about a rate limit.
    request.readAhead = agentWasRead || agentId === null ? { agent, readAt } : await readAgent(agentId);
  });

  app.addHook('onClose', () => uses.settled());

  async function refuseKey({ address }: Asked): Promise<never> {
    await countRefusedKey(limits, address);
    throw invalidKey();
  }
});

const challenge = { headers: { 'www-authenticate': 'Bearer' } };

/** The one answer for every key that is not valid. */
export const invalidKey = () => new ApiError('INVALID_API_KEY', challenge);

/** A header's value, or nothing when it is missing or repeated. */
function onlyHeader({ raw, headers }: FastifyRequest, name: 'authorization'): string {
  return countHeader(raw.rawHeaders, name) === 1 ? (headers[name] ?? '') : '';
}

function askedBy(request: FastifyRequest): Asked {
  const { scope, forAnyCompany = false } = request.routeOptions.config;
  const wanted = companyIdOf(request);
  return { scope, forAnyCompany, wanted, companyId: uuidOrNull(wanted), address: callerAddress(request.ip) ?? null };
}

/** Step 2, for a key that is well formed: known, not revoked, not expired. */
const isValid = (key: FoundKey | undefined): key is FoundKey => key !== undefined && !key.ended;

/** Steps 3 and 4. What is no address, such as a name that a trusted proxy passes on, is in no list. */
function requireActive({ suspended, allowedIps }: FoundKey, { address }: Asked): void {
  if (suspended) throw new ApiError('API_KEY_SUSPENDED', challenge);
  if (allowedIps.length > 0 && !addressList(allowedIps)(address ?? undefined)) throw new ApiError('IP_NOT_ALLOWED');
}

/** Steps 6 and 7. Returns the company that the request acts for, where it acts for one. */
function requireAccess(key: FoundKey, asked: Asked): string | undefined {
  const { scope } = asked;
  if (scope !== 'any' && (!scope || !key.scopes.includes(scope))) throw scopeMissing(String(scope));
  return asked.forAnyCompany ? undefined : resolveCompany(key, asked);
}

/** All of it before a write; only rate limits do not count again. */
function checkAgain(key: FoundKey | undefined, asked: Asked): void {
  if (!isValid(key)) throw invalidKey();
  requireActive(key, asked);
  requireAccess(key, asked);
}

const uuidOrNull = (value: unknown) => (isUuid(value) ? value.toLowerCase() : null);

const agentIdOf = ({ params, routeOptions }: FastifyRequest): string | null =>
  routeOptions.config.idOf === 'agent' && typeof params === 'object' && params !== null && 'id' in params
    ? uuidOrNull(params.id)
    : null;

const companyIdOf = ({ query }: FastifyRequest): unknown =>
  typeof query === 'object' && query !== null && 'companyId' in query ? query.companyId : undefined;

/** Step 7: a company key acts for its own company, whatever the query says; an ATS key for the one it names. */
function resolveCompany(key: FoundKey, { wanted, companyId }: Asked): string {
  if (key.companyId !== null) return key.companyId;
  if (wanted === undefined || wanted === '') throw new ApiError('COMPANY_ID_REQUIRED');
  if (Array.isArray(wanted)) throw invalid([inParameter('query', 'companyId', complaints.givenTwice())]);
  if (companyId === null) throw invalid([inParameter('query', 'companyId', complaints.badFormat('uuid'))]);
  if (!key.granted) throw new ApiError('COMPANY_ACCESS_DENIED');
  return companyId;
}

import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { ReadAhead } from '../agents/write/batch.ts';
import { over } from '../http/bounded-server.ts';
import { countHeader } from '../http/connections.ts';
import { Deadline } from '../http/deadline.ts';
import { exchangeOf } from '../http/exchange.ts';
import { isRecord } from '../http/json.ts';
import { isUuid } from '../http/uuid.ts';
import { type Asked, checkAgain, type InvalidKey, invalidKey, requireAccess, requireActive } from './access.ts';
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
    /** Set in the authenticated scope, on routes that act for one company. */
    caller: Caller;
    /** Set on routes with `orIntegration`. */
    ownerCaller: OwnerCaller;
    /** Which key it is, and whose. */
    owner: KeyOwner & { readonly keyId: string };
    /** The id of the agent in the path, in lower case; empty where there is none, or it is no UUID. */
    agentId: string;
    /** That agent, whoever owns it, as it was found since the request arrived. */
    readAhead: ReadAhead;
    /** When the request is answered at the latest. */
    deadline: Deadline;
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

/**
 * Admits requests to the scope that it is registered in: checks 2 to 7 of the contract's section 1, in that order,
 * before a body is read. A route that declares no scope, or does not say what its `:id` names, fails the start.
 */
export const authenticate = fp(async (app, { keys, uses, secrets, limits, readAgent }: Options) => {
  const limited = limitedKeys();
  const Share = openShares();
  app.addHook('onRoute', ({ method, url, config }) => {
    if (!config?.scope) throw new Error(`${method} ${url} declares no scope`);
    const hasId = url.split('/').includes(':id');
    if (hasId && !config.idOf)
      throw new Error(`${method} ${url} does not declare in config.idOf what :id is the id of`);
    if (!hasId && config.idOf) throw new Error(`${method} ${url} declares config.idOf, but its path has no :id`);
  });

  for (const name of ['caller', 'readAhead', 'owner', 'agentId', 'deadline']) app.decorateRequest(name);
  app.server.on(over, ({ exchange }: IncomingMessage) => exchange?.request?.deadline?.end());
  app.addHook('onRequest', async (request, reply) => {
    const exchange = exchangeOf(request.raw);
    const deadline = new Deadline(exchange.start);
    request.deadline = deadline;
    const asked = askedBy(request, exchange.address);
    const { companyId, address, scope, agentId } = asked;
    request.agentId = agentId ?? '';
    exchange.agentId = agentId;
    const text = readKey(onlyHeader(request, 'authorization'));
    if (text === undefined) return await refuseKey(asked, 'malformed');
    const hashes = hashesOf(text, secrets);
    const needed = scope === 'any' ? undefined : scope;
    const lookup = { ...hashes, companyId, address, scope: needed, agentId: limited.has(hashes.hash) ? null : agentId };
    const share = new Share(request, reply.raw, { hash: hashes.hash, address, agentId });
    request.share = share;
    const found = await share.run(() => deadline.race(keys.lookUp(lookup, deadline.at)));
    const { key, agent, agentWasRead, readAt } = found;
    share.forget();
    share.noteSize(agent);
    if (key) exchange.keyId = key.id;
    if (!key || key.ended) return await refuseKey(asked, key?.ended ?? 'unknown');
    requireActive(key, asked);
    share.admit(key);
    uses.note({ id: key.id, ...hashes });
    const tooMany = await countRequest(limits, key, request, reply);
    if (tooMany) {
      limited.note(hashes.hash, tooMany.wait);
      throw tooMany.error;
    }
    const actsFor = requireAccess(key, asked);
    request.owner = { keyId: key.id, companyId: key.companyId, integrationId: key.integrationId };
    const { at: lookedUpAt, databaseTime } = found;
    const check = (again: FoundKey | undefined) => checkAgain(again, asked);
    const admission = { lookedUpAt, databaseTime, lookup: { ...lookup, agentId: null }, check };
    const admitted = { keyId: key.id, requestId: request.id, address, admission, deadline };
    if (actsFor !== undefined) exchange.companyId = actsFor;
    if (asked.orIntegration) {
      const integrationId = actsFor === undefined ? key.integrationId : null;
      request.ownerCaller = { ...admitted, owner: { companyId: actsFor ?? null, integrationId } };
    } else if (actsFor !== undefined) request.caller = { ...admitted, companyId: actsFor };
    // The statement is stricter than the checks here about an allow-list that it cannot read, or about a rate limit.
    request.readAhead = agentWasRead || agentId === null ? { agent, readAt } : await deadline.race(readAgent(agentId));
  });

  app.addHook('onClose', () => uses.settled());

  async function refuseKey({ address }: Asked, why: InvalidKey): Promise<never> {
    await countRefusedKey(limits, address);
    throw invalidKey(why);
  }
});

/** A header's value, or nothing when it is missing or repeated. */
function onlyHeader({ raw, headers }: FastifyRequest, name: 'authorization'): string {
  return countHeader(raw.rawHeaders, name) === 1 ? (headers[name] ?? '') : '';
}

function askedBy(request: FastifyRequest, address: string | null): Asked {
  const { scope, forAnyCompany = false, orIntegration = false, idOf } = request.routeOptions.config;
  const wanted = memberOf(request.query, 'companyId');
  const agentId = idOf === 'agent' ? uuidOrNull(memberOf(request.params, 'id')) : null;
  return { scope, forAnyCompany, orIntegration, wanted, companyId: uuidOrNull(wanted), agentId, address };
}

const uuidOrNull = (value: unknown) => (isUuid(value) ? value.toLowerCase() : null);

const memberOf = (part: unknown, name: 'companyId' | 'id'): unknown => (isRecord(part) ? part[name] : undefined);

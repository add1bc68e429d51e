import { addressList } from '../http/address.ts';
import { complaints, inParameter } from '../http/faults.ts';
import { isRecord } from '../http/json.ts';
import { companyMissing, scopeMissing } from '../http/particular-problems.ts';
import { ApiError, invalid } from '../http/problems.ts';
import type { Scope } from './api-key.ts';
import type { Lookup } from './lookup.statements.ts';
import type { FoundKey } from './row.schema.ts';

// Checks 2 to 4, 6 and 7 (docs/contract.md#the-order-of-checks), for a key that was looked up.

/** The data of a request that the checks need, besides its key. */
export interface Asked extends Pick<Lookup, 'companyId' | 'agentId' | 'address'> {
  readonly scope: Scope | 'any' | undefined;
  readonly forAnyCompany: boolean;
  readonly orIntegration: boolean;
  /** `companyId` in the query as it was sent, not checked yet. */
  readonly sentCompany: unknown;
  /** The whole query, not checked yet. */
  readonly query: unknown;
}

const challenge = { headers: { 'www-authenticate': 'Bearer' } };

/** Why a key is not valid. `malformed` includes a missing and a repeated Authorization header. */
export type InvalidKey = 'malformed' | 'unknown' | 'revoked' | 'expired';

/** 401 for every key that is not valid. Only the log says why. */
export const invalidKey = (why: InvalidKey) => new ApiError('INVALID_API_KEY', { ...challenge, cause: why });

/**
 * Checks 3 and 4. A caller without a valid address, such as a name in X-Forwarded-For, is in no allow-list.
 * @returns why the key is refused; undefined if it is not
 */
export function whyInactive({ suspended, allowedIps }: FoundKey, { address }: Asked): ApiError | undefined {
  if (suspended) return new ApiError('API_KEY_SUSPENDED', challenge);
  const isAllowed =
    allowedIps.length === 0 || addressList(allowedIps.filter((text) => typeof text === 'string'))(address ?? undefined);
  return isAllowed ? undefined : new ApiError('IP_NOT_ALLOWED');
}

/** Checks 6 and 7. Returns the company that the request acts for; undefined on routes without one, or for an integration. */
export function requireAccess(key: FoundKey, asked: Asked): string | undefined {
  const { scope } = asked;
  if (scope !== 'any' && (!scope || !key.scopes.includes(scope))) throw scopeMissing(String(scope));
  const isForIntegration = asked.orIntegration && key.companyId === null && asked.sentCompany === undefined;
  return asked.forAnyCompany || isForIntegration ? undefined : resolveCompany(key, asked);
}

/** Repeats checks 2 to 4, 6 and 7 before a write. The request is not counted for rate limits again. */
export function checkAgain(key: FoundKey | undefined, asked: Asked): void {
  if (!key || key.ended) throw invalidKey(key?.ended ?? 'unknown');
  const refusal = whyInactive(key, asked);
  if (refusal) throw refusal;
  requireAccess(key, asked);
}

/** Check 7: a company key acts for its own company and ignores `companyId`; an ATS key acts for `companyId`. */
function resolveCompany(key: FoundKey, { sentCompany, companyId, query }: Asked): string {
  if (key.companyId !== null) return key.companyId;
  if (sentCompany === undefined || sentCompany === '') throw companyMissing(isRecord(query) ? Object.keys(query) : []);
  if (Array.isArray(sentCompany)) throw invalid([inParameter('query', 'companyId', complaints.givenTwice())]);
  if (companyId === null) throw invalid([inParameter('query', 'companyId', complaints.badFormat('uuid'))]);
  if (!key.granted) throw new ApiError('COMPANY_ACCESS_DENIED');
  return companyId;
}

import { complaints, inParameter } from '../http/faults.ts';
import { scopeMissing } from '../http/particular-problems.ts';
import { ApiError, invalid } from '../http/problems.ts';
import { addressList } from './address.ts';
import type { Scope } from './api-key.ts';
import type { FoundKey, Lookup } from './lookup.statements.ts';

// Checks 2 to 4, 6 and 7 of the order of checks (docs/contract.md), for a key that was looked up.

/** What a request asks for, apart from its key: read from it once. */
export interface Asked extends Pick<Lookup, 'companyId' | 'agentId' | 'address'> {
  readonly scope: Scope | 'any' | undefined;
  readonly forAnyCompany: boolean;
  readonly orIntegration: boolean;
  /** `companyId` in the query, as it was sent. */
  readonly wanted: unknown;
}

const challenge = { headers: { 'www-authenticate': 'Bearer' } };

/** `malformed` is missing or given twice, too. */
export type InvalidKey = 'malformed' | 'unknown' | 'revoked' | 'expired';

/** The one answer for every key that is not valid: the log alone says why. */
export const invalidKey = (why: InvalidKey) => new ApiError('INVALID_API_KEY', { ...challenge, cause: why });

/** Steps 3 and 4. What is no address, such as a name that a trusted proxy passes on, is in no list. */
export function requireActive({ suspended, allowedIps }: FoundKey, { address }: Asked): void {
  if (suspended) throw new ApiError('API_KEY_SUSPENDED', challenge);
  if (allowedIps.length > 0 && !addressList(allowedIps)(address ?? undefined)) throw new ApiError('IP_NOT_ALLOWED');
}

/** Steps 6 and 7. Returns the company that the request acts for, where it acts for one. */
export function requireAccess(key: FoundKey, asked: Asked): string | undefined {
  const { scope } = asked;
  if (scope !== 'any' && (!scope || !key.scopes.includes(scope))) throw scopeMissing(String(scope));
  const isForIntegration = asked.orIntegration && key.companyId === null && asked.wanted === undefined;
  return asked.forAnyCompany || isForIntegration ? undefined : resolveCompany(key, asked);
}

/** All of it before a write; only rate limits do not count again. */
export function checkAgain(key: FoundKey | undefined, asked: Asked): void {
  if (!key || key.ended) throw invalidKey(key?.ended ?? 'unknown');
  requireActive(key, asked);
  requireAccess(key, asked);
}

/** Step 7: a company key acts for its own company, whatever the query says; an ATS key for the one it names. */
function resolveCompany(key: FoundKey, { wanted, companyId }: Asked): string {
  if (key.companyId !== null) return key.companyId;
  if (wanted === undefined || wanted === '') throw new ApiError('COMPANY_ID_REQUIRED');
  if (Array.isArray(wanted)) throw invalid([inParameter('query', 'companyId', complaints.givenTwice())]);
  if (companyId === null) throw invalid([inParameter('query', 'companyId', complaints.badFormat('uuid'))]);
  if (!key.granted) throw new ApiError('COMPANY_ACCESS_DENIED');
  return companyId;
}

import { agentParamsSchema } from '../../src/agents/request.schema.ts';
import { type AgentPatch, agentPatchSchema } from '../../src/agents/schema.ts';
import { hashKey, readKey } from '../../src/auth/api-key.ts';
import { scopeMissing } from '../../src/http/particular-problems.ts';
import { ApiError, invalid } from '../../src/http/problems.ts';
import { compile } from '../../src/http/validation.ts';

// The code that the two peers share with the server: the checks of a request. Each has database code of its own.

const isPatch = compile<AgentPatch>(agentPatchSchema, 'body');
const isParams = compile(agentParamsSchema, 'path');

/** @throws Error if a variable is missing */
export function environment(name: 'DATABASE_URL' | 'API_KEY_SECRET'): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is missing: contestants are started by npm run bench`);
  return value;
}

/**
 * Hashes the key of a request.
 * @throws ApiError
 */
export function keyHash(authorization: string | undefined, secret: string): string {
  const key = readKey(authorization ?? '');
  if (key === undefined) throw unknownKey();
  return hashKey(key, secret);
}

/** A key as it is stored. */
export interface StoredKey {
  readonly id: string;
  readonly companyId: string | null;
  readonly scopes: readonly string[];
  readonly revokedAt: Date | null;
  readonly expiresAt: Date | null;
  readonly suspendedAt: Date | null;
}

/** The caller of a request. */
export interface Admitted {
  readonly keyId: string;
  readonly companyId: string;
}

/**
 * Checks the key of a request; the peers accept company keys only.
 * @throws ApiError
 */
export function admit(key: StoredKey | null | undefined, scope: 'read:agents' | 'write:agents'): Admitted {
  if (!key || key.revokedAt !== null || (key.expiresAt !== null && key.expiresAt.getTime() <= Date.now())) {
    throw unknownKey();
  }
  if (key.suspendedAt !== null) throw new ApiError('API_KEY_SUSPENDED');
  if (!key.scopes.includes(scope)) throw scopeMissing(scope);
  if (key.companyId === null) throw new ApiError('COMPANY_ID_REQUIRED');
  return { keyId: key.id, companyId: key.companyId };
}

/**
 * Checks the id in the path of a request.
 * @throws ApiError
 */
export function requireId(id: string): void {
  if (!isParams({ id })) throw invalid(isParams.faults.first, isParams.faults.count);
}

/**
 * The patch in the body of a request, validated by the server's own schemas.
 * @throws ApiError
 */
export function readPatch(id: string, body: unknown): AgentPatch {
  const isIdGood = isParams({ id });
  const isBodyGood = isPatch(body);
  if (isIdGood && isBodyGood) return body;
  const found = [...(isIdGood ? [] : [isParams.faults]), ...(isBodyGood ? [] : [isPatch.faults])];
  throw invalid(
    found.flatMap(({ first }) => first),
    found.reduce((sum, { count }) => sum + count, 0),
  );
}

const unknownKey = () => new ApiError('INVALID_API_KEY', { headers: { 'www-authenticate': 'Bearer' } });

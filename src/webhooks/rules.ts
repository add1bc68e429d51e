import { isDeepStrictEqual } from 'node:util';
import { record } from '../agents/fields.ts';
import type { KeyOwner } from '../auth/api-key.ts';
import { complaints, type Fault, inBody, inParameter } from '../http/faults.ts';
import { webhookForeign, webhookMissing } from '../http/particular-problems.ts';
import { invalid } from '../http/problems.ts';
import { webhookComplaints } from '../http/webhook-complaints.ts';
import type { StoredWebhook } from './repository.ts';
import { maxHeaders, type WebhookAnswer, type WebhookPatch, webhookMembers } from './schema.ts';
import type { Sealer } from './sealer.ts';
import { type Headers, isReadable, mergedHeaders, openHeaders, readableSecret } from './secrets.ts';
import { originOf, parseTarget, TargetError, type TargetRules } from './target.ts';

/** Endpoints that one owner may have (docs/contract.md#webhooks). */
const maxWebhooks = 10;

/** Checks 10 and 11: the endpoint exists and belongs to the owner. @throws ApiError for the first that fails */
export function checkOwner({ owner }: { readonly owner: KeyOwner }, stored: StoredWebhook | null): StoredWebhook {
  if (!stored) throw webhookMissing();
  if (stored.companyId !== owner.companyId || stored.integrationId !== owner.integrationId) {
    throw webhookForeign();
  }
  return stored;
}

/** Check 13: nothing can be sent to a disabled endpoint. @throws ApiError 400 */
export function checkEnabled(stored: StoredWebhook): StoredWebhook {
  if (stored.status !== 'ENABLED') throw invalid([inParameter('path', 'id', webhookComplaints.webhookDisabled())]);
  return stored;
}

/** Check 13: another endpoint stays within the limit. @param count of the owner's endpoints @throws ApiError 400 */
export function checkCount(count: number): void {
  if (count >= maxWebhooks) throw invalid([inBody([], webhookComplaints.tooManyWebhooks(maxWebhooks))]);
}

/** The fault of a URL that the server's settings do not allow. Host names are resolved and checked at each attempt. */
function targetFaults(url: string, rules: TargetRules): Fault[] {
  try {
    parseTarget(url, rules);
    return [];
  } catch (error) {
    if (!(error instanceof TargetError)) throw error;
    return [inBody(['url'], webhookComplaints.notATarget(error.message))];
  }
}

const countFaults = (headers: Headers): Fault[] =>
  Object.keys(headers).length > maxHeaders ? [inBody(['headers'], complaints.tooMany(maxHeaders))] : [];

/**
 * Check 9, after the schema: the URL of a new endpoint, or of a patch, is allowed, and the headers of a new one are not too
 * many. @throws ApiError 400 with all faults
 */
export function checkBody({ url, headers = {} }: { url: string; headers?: Headers }, rules: TargetRules): void {
  const faults = [...targetFaults(url, rules), ...countFaults(headers)];
  if (faults.length > 0) throw invalid(faults);
}

/** The secret for a repeated answer. @throws ApiError 400 if this process cannot decrypt it */
export function repeatedSecret(stored: StoredWebhook, sealer: Sealer): string {
  const secret = readableSecret(stored, sealer);
  if (secret !== undefined) return secret;
  throw invalid([inParameter('header', 'idempotency-key', webhookComplaints.unreadableSecret(stored.id))]);
}

/**
 * The headers that an endpoint has after a patch; undefined if that leaves them as they are. Where the origin of the URL
 * changes, the stored ones are dropped: they may hold the password of a receiver, which no answer shows. The patch could
 * otherwise have it sent to another receiver.
 * @throws ApiError 400 if they are too many, or depend on what this process cannot decrypt
 */
export function patchedHeaders(
  stored: StoredWebhook,
  { url = stored.url, headers: patch }: WebhookPatch,
  sealer: Sealer,
): Headers | undefined {
  const isDropped = patch === null || originOf(url) !== originOf(stored.url);
  if (patch === undefined && !isDropped) return undefined;
  const canRead = isReadable(stored, sealer);
  const before = canRead || stored.sealedHeaders === null ? openHeaders(stored, sealer) : undefined;
  const after = mergedHeaders(isDropped ? {} : (before ?? {}), patch);
  // Check 13.
  const faults = countFaults(after);
  if (faults.length > 0) throw invalid(faults);
  if (isDeepStrictEqual(before, after)) return undefined;
  if (!canRead && !(isDropped && Object.keys(after).length === 0)) {
    throw invalid([inBody(['headers'], webhookComplaints.unreadableHeaders())]);
  }
  return after;
}

/** An endpoint as answers show it: only the members of their schema, so neither its secret nor values of its headers. */
export const toAnswer = (stored: WebhookAnswer) => record<WebhookAnswer>(webhookMembers, (name) => stored[name]);

/** The fields that a patch can change, without the headers, which are stored encrypted. */
export const fieldsOf = ({ url, events, description, status }: StoredWebhook) => ({ url, events, description, status });

/** The names of the members whose values differ. */
export function changedNames(before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>) {
  return Object.keys(after).filter((name) => !isDeepStrictEqual(before[name], after[name]));
}

/** The details of an endpoint for the audit trail: only the origin, as path and query of the URL may contain a secret. */
export const auditDetails = ({ id, url }: StoredWebhook) => ({ webhookId: id, origin: originOf(url) });

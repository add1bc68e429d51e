import { isDeepStrictEqual } from 'node:util';
import type { KeyOwner } from '../auth/api-key.ts';
import { complaints, inBody, inParameter } from '../http/faults.ts';
import { webhookMissing } from '../http/particular-problems.ts';
import { ApiError, invalid } from '../http/problems.ts';
import { webhookComplaints } from '../http/webhook-complaints.ts';
import { AddressError, type AddressRules, targetOf } from './address.ts';
import type { StoredWebhook } from './row.schema.ts';
import { maxHeaders } from './schema.ts';
import type { Headers } from './secrets.ts';

/** Endpoints of one owner (docs/contract.md#webhooks). */
const maxWebhooks = 10;

/** Steps 10 and 11: the endpoint is there, and it is the owner's. */
export function own({ owner }: { readonly owner: KeyOwner }, stored: StoredWebhook | undefined): StoredWebhook {
  if (!stored) throw webhookMissing();
  if (stored.companyId !== owner.companyId || stored.integrationId !== owner.integrationId) {
    throw new ApiError('RESOURCE_ACCESS_DENIED');
  }
  return stored;
}

/** Step 13: a disabled endpoint gets no deliveries. */
export function enabled(stored: StoredWebhook): StoredWebhook {
  if (stored.status !== 'ENABLED') throw invalid([inParameter('path', 'id', webhookComplaints.webhookDisabled())]);
  return stored;
}

/** Step 13. @param count of the owner's endpoints */
export function checkCount(count: number): void {
  if (count >= maxWebhooks) throw invalid([inBody([], webhookComplaints.tooManyWebhooks(maxWebhooks))]);
}

/** Step 9: what the settings of the server say of a URL. The addresses of a name are judged at each attempt. */
export function checkTarget(url: string, rules: AddressRules): void {
  try {
    targetOf(url, rules);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw invalid([inBody(['url'], webhookComplaints.notATarget(error.fault))]);
  }
}

/** Step 13, for headers as merged. */
export function checkedHeaders(headers: Headers): Headers {
  if (Object.keys(headers).length > maxHeaders) throw invalid([inBody(['headers'], complaints.tooMany(maxHeaders))]);
  return headers;
}

/** What a patch may change, but for the headers, which are encrypted. */
export const fieldsOf = ({ url, events, description, status }: StoredWebhook) => ({
  url,
  events,
  description,
  status,
});

/** The names of the members whose values differ. */
export const changesBetween = (before: object, after: object): string[] => {
  const values = new Map<string, unknown>(Object.entries(before));
  return Object.entries(after).flatMap(([name, value]) => (isDeepStrictEqual(values.get(name), value) ? [] : [name]));
};

/** What the audit trail may say of an endpoint, for good: its path and query may hold a secret. */
export const recorded = ({ id, url }: StoredWebhook) => ({ webhookId: id, origin: new URL(url).origin });

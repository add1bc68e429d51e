import { isDeepStrictEqual } from 'node:util';
import type { AgentContent } from '../../src/agents/fields.ts';
import type { AgentPatch } from '../../src/agents/schema.ts';
import { complaints, type Fault, inBody } from '../../src/http/faults.ts';
import type { Json } from '../../src/http/json.ts';
import { mergePatch } from './merge-patch.ts';

/** The result of a change by the contract: new content with the fields that differ, or faults. */
export interface ExpectedChange {
  readonly content: AgentContent;
  readonly changed: readonly string[];
  readonly faults: readonly Fault[];
}

const limitOfKeys = 50;

/**
 * Applies a patch as docs/contract.md says, for bodies that match their schema. All phone numbers are active ones of
 * the company.
 */
export function patched(before: AgentContent, { metadata = {}, ...fields }: AgentPatch): ExpectedChange {
  const merged = mergePatch(before.metadata, metadata);
  const content: AgentContent = Object.assign({ ...before }, fields, { metadata: merged });
  const faults = [
    ...(content.type === 'PHONE' && fields.companyPhoneNumberId === null
      ? [inBody(['companyPhoneNumberId'], complaints.phoneNumberNotNull())]
      : []),
    ...keyFaults(before, content),
  ];
  return { content, changed: differing(before, content), faults };
}

/** Restores an earlier version's whole content. */
export function restoredTo(before: AgentContent, content: AgentContent): ExpectedChange {
  return { content, changed: differing(before, content), faults: keyFaults(before, content) };
}

function differing(before: AgentContent, after: AgentContent): string[] {
  const old = new Map<string, unknown>(Object.entries(before));
  return Object.entries(after).flatMap(([field, value]) => (isDeepStrictEqual(value, old.get(field)) ? [] : [field]));
}

/** Too many metadata keys, unless there were as many before. */
function keyFaults(before: AgentContent, after: AgentContent): Fault[] {
  const reached = countKeys(after.metadata);
  const isForbidden = reached > Math.max(limitOfKeys, countKeys(before.metadata));
  return isForbidden ? [inBody(['metadata'], complaints.metadataKeys(limitOfKeys, reached))] : [];
}

function countKeys(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inside = Object.values(value).reduce((sum: number, item) => sum + countKeys(item), 0);
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length);
}

import { isDeepStrictEqual } from 'node:util';
import { headerName, headerValue } from '../http/header-fields.ts';
import { isRecord } from '../http/json.ts';
import { versionFormat } from '../http/validation-keywords.ts';

/** Keywords of validation-keywords.ts that have no meaning for a client. */
const ownKeywords = ['storable', 'deepest', 'readOnlyMembers', 'headerFields'];

/** Our own formats as patterns. Keep them equal to validation-keywords.ts, entity-tag.ts and idempotency-key.ts. */
const tag = '(?:W/)?"[!#-~\\x80-\\xff]*"';
const patterns = new Map<unknown, string>([
  ['version', versionFormat.source],
  ['webhook-url', '^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$'],
  ['entity-tags', `^[ \\t]*(?:\\*|(?:,[ \\t]*)*${tag}(?:[ \\t]*,(?:[ \\t]*${tag})?)*)[ \\t]*$`],
  ['idempotency-key', '^(?:[!#-~][!-~]{0,254}|"(?:[!#-\\[\\]-~]|\\\\["\\\\]){1,255}")$'],
]);

/** What the keyword `headerFields` accepts. Which names the server keeps to itself is in the description. */
const headerFields = {
  propertyNames: { pattern: headerName.source },
  additionalProperties: { type: ['string', 'null'], pattern: headerValue.source },
};

/**
 * A schema, or what holds schemas, as the document shows it: without the keywords and formats that only our validation
 * knows, and each schema that has an `$id` as a reference.
 * @param named receives the schemas that are referred to, by `$id`
 * @throws Error if another schema has the same `$id`
 */
export function publish<Value>(value: Value, named: Record<string, object>): Value {
  const text = JSON.stringify(value, (key, member: unknown) => {
    if (ownKeywords.includes(key)) return undefined;
    if (!isRecord(member)) return member;
    const { $id, format, ...others } = member;
    if (typeof $id === 'string') {
      const published = publish({ format, ...others }, named);
      named[$id] ??= published;
      if (!isDeepStrictEqual(named[$id], published)) throw new Error(`two schemas have the $id ${$id}`);
      return { $ref: `#/components/schemas/${$id}` };
    }
    // Names and values are validated by our own keyword, which limits the number of reported faults.
    if (others['headerFields']) return { ...others, ...headerFields };
    const pattern = patterns.get(format);
    if (pattern !== undefined) return { ...others, pattern };
    // The schema has no type, as check 7 judges `companyId`; a client must send a UUID all the same.
    if (key === 'companyId' && !others['type']) return { ...others, type: 'string', format: 'uuid' };
    return member;
  });
  return JSON.parse(text);
}

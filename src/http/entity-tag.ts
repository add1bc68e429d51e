/** An entity tag (RFC 9110, section 8.8.3): `value` is what stands between the quotes. */
interface EntityTag {
  readonly weak: boolean;
  readonly value: string;
}

export type EntityTags = '*' | readonly EntityTag[];

/** The parsed conditions of a request on the current version (RFC 9110, section 13.1); undefined if not sent or not declared. */
export interface Preconditions {
  readonly ifMatch?: EntityTags | undefined;
  readonly ifNoneMatch?: EntityTags | undefined;
}

/** The strong entity tag of a version, as in the ETag header. */
export const entityTag = (version: number) => `"${version}"`;

/**
 * Reads the value of If-Match or If-None-Match (RFC 9110, section 13.1): `*`, or a list of entity tags. Undefined when
 * it is neither. A comma inside the quotes belongs to the tag; empty list elements are skipped, but one tag must be there.
 */
export function parseEntityTags(text: string): EntityTags | undefined {
  if (text.trim() === '*') return '*';
  const element = /[ \t]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|$)/y;
  const tags: EntityTag[] = [];
  while (element.lastIndex < text.length) {
    const found = element.exec(text);
    if (!found) return undefined;
    if (found[2] !== undefined) tags.push({ weak: found[1] !== undefined, value: found[2] });
  }
  return tags.length > 0 ? tags : undefined;
}

/** Strong comparison (RFC 9110, section 8.8.3.2), as If-Match demands it: a weak tag never matches. */
export function matchesStrongly(tags: EntityTags, version: number): boolean {
  return tags === '*' || tags.some(({ weak, value }) => !weak && value === String(version));
}

/** Whether none of the tags can come from this server: each is weak, or not a number in quotes. */
export function isForeign(tags: EntityTags): boolean {
  return tags !== '*' && tags.every(({ weak, value }) => weak || !/^\d+$/.test(value));
}

/** Weak comparison (RFC 9110, section 8.8.3.2), as If-None-Match demands it: W/"7" matches "7". */
export function matchesWeakly(tags: EntityTags, version: number): boolean {
  return tags === '*' || tags.some(({ value }) => value === String(version));
}

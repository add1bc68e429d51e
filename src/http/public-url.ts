/** The address that clients use (PUBLIC_URL). */
export interface PublicUrl {
  /** With its path prefix and without a slash at its end; empty if it is not known, so that addresses are paths. */
  readonly base: string;
  /** Its path, which a proxy removes from each request: empty, or with a slash at its start and none at its end. */
  readonly prefix: string;
}

/** What plugins take: without it the address is not known. */
export interface WithPublicUrl {
  readonly publicUrl?: PublicUrl;
}

export const unknownUrl: PublicUrl = { base: '', prefix: '' };

// No empty segment: a prefix with two slashes at its start would be another host in `type` and `instance`.
const form = /^https?:\/\/[^\s/?#@\\]+(?:\/[^\s/?#\\]+)*\/?$/i;

/** Reads the value of PUBLIC_URL: http or https, without user, query and fragment. Undefined if it is something else. */
export function readPublicUrl(text: string): PublicUrl | undefined {
  if (!form.test(text) || !URL.canParse(text)) return undefined;
  const { origin, pathname } = new URL(text);
  const prefix = pathname.replace(/\/$/, '');
  return { base: origin + prefix, prefix };
}

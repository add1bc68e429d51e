/** The URL of the server as clients see it (PUBLIC_URL). */
export interface PublicUrl {
  /** With the path prefix, without a slash at the end. Empty if it is not known: links are then paths. */
  readonly base: string;
  /** The path, which a proxy removes from each request: empty, or with a slash at the start and none at the end. */
  readonly prefix: string;
}

// No empty segments: in `type` and `instance`, a prefix with two slashes at the start would be read as a host.
const form = /^https?:\/\/[^\s/?#@\\]+(?:\/[^\s/?#\\]+)*\/?$/i;

/** Reads the value of PUBLIC_URL: http or https, without user, query and fragment. Undefined if it is something else. */
export function readPublicUrl(text: string): PublicUrl | undefined {
  if (!form.test(text) || !URL.canParse(text)) return undefined;
  const { origin, pathname } = new URL(text);
  const prefix = pathname.replace(/\/$/, '');
  return { base: origin + prefix, prefix };
}

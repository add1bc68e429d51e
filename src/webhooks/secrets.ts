import { randomBytes } from 'node:crypto';
import { Value } from '@sinclair/typebox/value';
import type { StoredWebhook } from './repository.ts';
import { headersSchema } from './row.schema.ts';
import type { SealedPlace, Sealer } from './sealer.ts';

/** The encrypted columns of an endpoint, and the fingerprint of the secret that they are encrypted under. */
export type SealedColumns = Pick<
  StoredWebhook,
  'sealedSecret' | 'sealedPreviousSecret' | 'sealedHeaders' | 'sealedUnder'
>;
type SealedEndpoint = SealedColumns & { readonly id: string };
type Column = SealedPlace['column'];

/** Headers of an endpoint by their names in lower case. */
export type Headers = Readonly<Record<string, string>>;

/** A new signing secret in the form of Standard Webhooks: 256 random bits. */
export const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`;

/** The ciphertext of a secret, for its column. */
export const sealSecret = (secret: string, endpointId: string, { seal }: Sealer) =>
  seal(secret, { endpointId, column: 'secret' });

/** The columns of an endpoint's headers: their names in plain text, and the ciphertext, which is null without headers. */
export const sealHeaders = (headers: Headers, endpointId: string, { seal }: Sealer) => ({
  headerNames: Object.keys(headers),
  sealedHeaders: isEmpty(headers) ? null : seal(JSON.stringify(headers), { endpointId, column: 'headers' }),
});

const isEmpty = (headers: Headers) => Object.keys(headers).length === 0;

/** A column in plain text. Throws an Error, as `openSecrets` and `openHeaders` do, if this process cannot decrypt it. */
const open = ({ id, sealedUnder }: SealedEndpoint, sealed: string, column: Column, sealer: Sealer): string =>
  sealer.open(sealed, sealedUnder, { endpointId: id, column });

/** The same without an error: undefined if the column is null, or this process cannot decrypt it. */
function readable(endpoint: SealedEndpoint, sealed: string | null, column: Column, sealer: Sealer): string | undefined {
  try {
    return sealed === null ? undefined : open(endpoint, sealed, column, sealer);
  } catch {
    return undefined;
  }
}

/** The secret; undefined if this process cannot decrypt it. */
export const readableSecret = (endpoint: SealedEndpoint, sealer: Sealer): string | undefined =>
  readable(endpoint, endpoint.sealedSecret, 'secret', sealer);

/** Decrypts the secrets that sign: the current one, and for 24 hours after a rotation the previous one, unless it is damaged. */
export function openSecrets(endpoint: SealedEndpoint, sealer: Sealer): string[] {
  const current = open(endpoint, endpoint.sealedSecret, 'secret', sealer);
  const previous = readable(endpoint, endpoint.sealedPreviousSecret, 'secret', sealer);
  return previous === undefined ? [current] : [current, previous];
}

export function openHeaders(endpoint: SealedEndpoint, sealer: Sealer): Headers {
  if (endpoint.sealedHeaders === null) return {};
  return Value.Parse(headersSchema, JSON.parse(open(endpoint, endpoint.sealedHeaders, 'headers', sealer)));
}

/**
 * Whether this process can decrypt the secret and the headers of an endpoint: it has the secret that they are encrypted under,
 * and neither is damaged. The previous secret does not matter: without it, the current one still signs.
 */
export const isReadable = (endpoint: SealedEndpoint, sealer: Sealer): boolean =>
  readableSecret(endpoint, sealer) !== undefined &&
  (endpoint.sealedHeaders === null || readable(endpoint, endpoint.sealedHeaders, 'headers', sealer) !== undefined);

/** A column encrypted under the current API_KEY_SECRET; null if the column is null, or this process cannot decrypt it. */
function renewed(endpoint: SealedEndpoint, sealed: string | null, column: Column, sealer: Sealer): string | null {
  const text = readable(endpoint, sealed, column, sealer);
  return text === undefined ? null : sealer.seal(text, { endpointId: endpoint.id, column });
}

/**
 * The columns of an endpoint, encrypted under the current API_KEY_SECRET; a previous secret that is damaged is dropped. Unchanged
 * if they are encrypted under it already, or cannot be decrypted.
 */
export function resealed(endpoint: SealedEndpoint, sealer: Sealer): SealedColumns {
  const { sealedSecret, sealedPreviousSecret, sealedHeaders, sealedUnder } = endpoint;
  const secret = sealedUnder === sealer.fingerprint ? undefined : readableSecret(endpoint, sealer);
  if (secret === undefined || !isReadable(endpoint, sealer))
    return { sealedSecret, sealedPreviousSecret, sealedHeaders, sealedUnder };
  return {
    sealedSecret: sealSecret(secret, endpoint.id, sealer),
    sealedPreviousSecret: renewed(endpoint, sealedPreviousSecret, 'secret', sealer),
    sealedHeaders: renewed(endpoint, sealedHeaders, 'headers', sealer),
    sealedUnder: sealer.fingerprint,
  };
}

/**
 * The columns of an endpoint after a rotation to a new secret: the one before becomes the previous secret. That one or the
 * headers are dropped if they cannot be decrypted.
 */
export function rotated(endpoint: SealedEndpoint, secret: string, sealer: Sealer) {
  const headers = renewed(endpoint, endpoint.sealedHeaders, 'headers', sealer);
  return {
    // Nothing could be sent, so that nothing has failed for the new secret.
    ...(!isReadable(endpoint, sealer) && { failingSince: null }),
    sealedSecret: sealSecret(secret, endpoint.id, sealer),
    sealedPreviousSecret: renewed(endpoint, endpoint.sealedSecret, 'secret', sealer),
    sealedHeaders: headers,
    ...(headers === null && { headerNames: [] }),
    sealedUnder: sealer.fingerprint,
  };
}

/** Merges headers by JSON Merge Patch (RFC 7396); names ignore case. Null as a value removes a header, as the patch all. */
export function mergedHeaders(
  stored: Headers,
  patch: Readonly<Record<string, string | null>> | null | undefined,
): Headers {
  if (patch === null) return {};
  const merged = new Map(Object.entries(stored));
  for (const [name, value] of Object.entries(patch ?? {})) {
    if (value === null) merged.delete(name.toLowerCase());
    else merged.set(name.toLowerCase(), value);
  }
  return Object.fromEntries(merged);
}

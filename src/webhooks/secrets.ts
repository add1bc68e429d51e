import { randomBytes } from 'node:crypto';
import { Value } from '@sinclair/typebox/value';
import type { StoredWebhook } from './repository.ts';
import { headersSchema } from './row.schema.ts';
import type { Sealer } from './sealer.ts';

/** The encrypted columns of an endpoint, and the fingerprint of the secret that they are encrypted under. */
export type SealedColumns = Pick<
  StoredWebhook,
  'sealedSecret' | 'sealedPreviousSecret' | 'sealedHeaders' | 'sealedUnder'
>;
type SealedEndpoint = SealedColumns & { readonly id: string };

/** Headers of an endpoint by their names in lower case. */
export type Headers = Readonly<Record<string, string>>;

/** A new signing secret in the form of Standard Webhooks: 256 random bits. */
export const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`;

/** The ciphertext of a secret, for its column. */
export const sealedSecret = (secret: string, endpointId: string, { seal }: Sealer) =>
  seal(secret, { endpointId, column: 'secret' });

/** The columns of an endpoint's headers: their names in plain text, and the ciphertext, which is null without headers. */
export const sealedHeaders = (headers: Headers, endpointId: string, { seal }: Sealer) => ({
  headerNames: Object.keys(headers),
  sealedHeaders: isEmpty(headers) ? null : seal(JSON.stringify(headers), { endpointId, column: 'headers' }),
});

const isEmpty = (headers: Headers) => Object.keys(headers).length === 0;

/** Decrypts the secret. Like the functions below, it throws an Error if this process lacks the secret to decrypt with. */
export const openSecret = ({ id, sealedSecret: sealed, sealedUnder }: SealedEndpoint, { open }: Sealer) =>
  open(sealed, sealedUnder, { endpointId: id, column: 'secret' });

/** Decrypts the secrets that sign: the current one, and for 24 hours after a rotation the previous one. */
export function openSecrets(endpoint: SealedEndpoint, sealer: Sealer): string[] {
  const { sealedSecret, sealedPreviousSecret } = endpoint;
  const sealed = sealedPreviousSecret === null ? [sealedSecret] : [sealedSecret, sealedPreviousSecret];
  return sealed.map((secret) => openSecret({ ...endpoint, sealedSecret: secret }, sealer));
}

export function openHeaders({ id, sealedHeaders: sealed, sealedUnder }: SealedEndpoint, { open }: Sealer): Headers {
  if (sealed === null) return {};
  return Value.Parse(headersSchema, JSON.parse(open(sealed, sealedUnder, { endpointId: id, column: 'headers' })));
}

/** Whether this process can decrypt all of an endpoint: it has the secret that it is encrypted under, and nothing is damaged. */
export function isReadable(endpoint: SealedEndpoint, sealer: Sealer): boolean {
  try {
    openSecrets(endpoint, sealer);
    openHeaders(endpoint, sealer);
    return true;
  } catch {
    return false;
  }
}

/** The columns of an endpoint encrypted under the current API_KEY_SECRET; as they are if they already were, or are not readable. */
export function resealed(endpoint: SealedEndpoint, sealer: Sealer): SealedColumns {
  const { id: endpointId, sealedSecret, sealedPreviousSecret, sealedHeaders, sealedUnder } = endpoint;
  const { fingerprint, open, seal } = sealer;
  if (sealedUnder === fingerprint || !isReadable(endpoint, sealer))
    return { sealedSecret, sealedPreviousSecret, sealedHeaders, sealedUnder };
  const again = (sealed: string, column: 'secret' | 'headers') =>
    seal(open(sealed, sealedUnder, { endpointId, column }), { endpointId, column });
  return {
    sealedSecret: again(sealedSecret, 'secret'),
    sealedPreviousSecret: sealedPreviousSecret && again(sealedPreviousSecret, 'secret'),
    sealedHeaders: sealedHeaders && again(sealedHeaders, 'headers'),
    sealedUnder: fingerprint,
  };
}

/**
 * The columns of an endpoint after a rotation to a new secret. If they are not readable, the previous signing secret and the
 * headers are dropped.
 */
export function rotated(endpoint: SealedEndpoint, secret: string, sealer: Sealer) {
  const next = { sealedSecret: sealedSecret(secret, endpoint.id, sealer), sealedUnder: sealer.fingerprint };
  if (!isReadable(endpoint, sealer)) {
    return { ...next, sealedPreviousSecret: null, ...sealedHeaders({}, endpoint.id, sealer) };
  }
  const current = resealed(endpoint, sealer);
  return { ...current, ...next, sealedPreviousSecret: current.sealedSecret };
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

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { KeySecrets } from '../auth/api-key.ts';

/** Where a ciphertext is stored. It is authenticated (AAD): a ciphertext copied to another place cannot be decrypted. */
export interface SealedPlace {
  /** The id of the webhook endpoint, in lower case. */
  readonly endpointId: string;
  /** `secret` stands for both columns of secrets: at a rotation the current one becomes the previous one. */
  readonly column: 'secret' | 'headers';
}

export type Sealer = ReturnType<typeof sealer>;

const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

/**
 * Encrypts what the server must be able to read again: secrets and header values of webhook endpoints. AES-256-GCM
 * (NIST SP 800-38D) with a random 96-bit nonce, under a key that HKDF (RFC 5869) derives from API_KEY_SECRET.
 */
export function sealer({ secret, previousSecret }: KeySecrets) {
  const fingerprint = fingerprintOf(secret);
  const key = keyOf(secret);
  const keys = new Map([
    ...(previousSecret === undefined ? [] : [[fingerprintOf(previousSecret), keyOf(previousSecret)] as const]),
    [fingerprint, key] as const,
  ]);

  return {
    /** The fingerprint of the secret that `seal` uses, stored beside the ciphertext as `sealed_under`. */
    fingerprint,

    /** @returns base64url of nonce, tag and ciphertext */
    seal(text: string, place: SealedPlace): string {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagBytes });
      cipher.setAAD(contextOf(place));
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
    },

    /**
     * @param under the fingerprint that is stored beside the text
     * @throws Error when neither API_KEY_SECRET nor API_KEY_SECRET_PREVIOUS has that fingerprint, or the text was changed or
     * belongs to another place
     */
    open(sealed: string, under: string, place: SealedPlace): string {
      const opening = keys.get(under);
      if (!opening) throw new Error('a webhook endpoint is encrypted under another API_KEY_SECRET');
      const bytes = Buffer.from(sealed, 'base64url');
      const decipher = createDecipheriv(algorithm, opening, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
      decipher.setAAD(contextOf(place));
      decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
      const opened = decipher.update(bytes.subarray(ivBytes + tagBytes));
      return Buffer.concat([opened, decipher.final()]).toString('utf8');
    },
  };
}

const contextOf = ({ endpointId, column }: SealedPlace) => Buffer.from(`${endpointId} ${column}`);

const derive = (secret: string, purpose: string, bytes: number) =>
  Buffer.from(hkdfSync('sha256', secret, '', purpose, bytes));

const keyOf = (secret: string) => derive(secret, 'encryption of webhook endpoints', 32);

/** Identifies a secret without revealing it: 128 bits derived from it, as base64url. */
const fingerprintOf = (secret: string) => derive(secret, 'fingerprint of webhook endpoints', 16).toString('base64url');

import { createHmac, randomBytes } from 'node:crypto';

interface ScopeDetails {
  /**
   * Whether keys that were made before the scope existed have it: `'always'` for the scopes of the first release, the name of
   * the migration that gives it to them, or false. A key that is made without naming scopes gets the same ones, so that the
   * same command makes the same key before and after an upgrade.
   */
  readonly givenToExistingKeys: 'always' | `${number}_${string}` | false;
}

/** Each scope with its details; the migrations must agree with `givenToExistingKeys`. */
export const scopeTable = {
  'read:agents': { givenToExistingKeys: 'always' },
  'write:agents': { givenToExistingKeys: 'always' },
  'delete:agents': { givenToExistingKeys: 'always' },
  'read:webhooks': { givenToExistingKeys: false },
  'write:webhooks': { givenToExistingKeys: false },
} as const satisfies Record<string, ScopeDetails>;

export type Scope = keyof typeof scopeTable;
export const isScope = (name: string): name is Scope => Object.hasOwn(scopeTable, name);
export const scopes: readonly Scope[] = Object.keys(scopeTable).filter(isScope);

/** The scopes of a key that is made without naming scopes. */
export const defaultScopes = scopes.filter((scope) => scopeTable[scope].givenToExistingKeys !== false);

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const digits = 43;
const form = new RegExp(`^sk_[0-9A-Za-z]{${digits}}$`);
const bearer = /^bearer +(\S+)$/i;

/** Makes a key: `sk_` and 256 random bits as 43 base-62 digits (docs/contract.md#api-keys). */
export function makeKey(): string {
  let rest = BigInt(`0x${randomBytes(32).toString('hex')}`);
  let text = '';
  for (let position = 0; position < digits; position += 1) {
    text = alphabet.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return `sk_${text}`;
}

/** Replaces API keys, incomplete ones too, in a text for logs and messages. */
export const withoutKeys = (text: string) => text.replace(/sk_[0-9A-Za-z]{8,}/g, 'sk_…');

const within = new RegExp(`sk_[0-9A-Za-z]{${digits}}`);

/** Whether a text holds a whole key. */
export const holdsKey = (text: string): boolean => within.test(text);

/** Whether a text has the form of a key. */
export const isKey = (text: string): boolean => form.test(text);

/** The key in the value of an Authorization header (RFC 6750, section 2.1), or undefined when it is not well formed. */
export function readKey(authorization: string): string | undefined {
  const key = bearer.exec(authorization)?.[1];
  return key !== undefined && isKey(key) ? key : undefined;
}

/** The hash by which a key is stored and looked up: its HMAC-SHA256 under the server's secret, as base64url. */
export function hashKey(key: string, secret: string): string {
  return createHmac('sha256', secret).update(key).digest('base64url');
}

/** The secrets under which keys may be stored. */
export interface KeySecrets {
  readonly secret: string;
  /** The secret before the last change. Keys stored under it stay valid, and are stored under the new one when used. */
  readonly previousSecret?: string | undefined;
  /** Whether the current secret was generated in DATA_DIR, and not set as API_KEY_SECRET. */
  readonly isGenerated?: boolean | undefined;
}

/** The hashes that a key may be stored under. */
export interface KeyHashes {
  /** `hashKey` under the current secret. */
  readonly hash: string;
  /** `hashKey` under the previous secret; null if there is none. */
  readonly formerHash: string | null;
}

export const hashesOf = (key: string, { secret, previousSecret }: KeySecrets): KeyHashes => ({
  hash: hashKey(key, secret),
  formerHash: previousSecret === undefined ? null : hashKey(key, previousSecret),
});

/** The fingerprints of the two secrets; `former` is null if there is no previous one. */
export interface SecretFingerprints {
  readonly current: string;
  readonly former: string | null;
}

/**
 * The fingerprint of a secret, which the database keeps to recognize a wrong one: the first 16 bits of its HMAC-SHA256 of a
 * fixed text, as hexadecimal digits. One wrong secret in 65,536 is not recognized. With more bits, a reader of the database
 * could test guesses of a weak secret.
 */
export const fingerprintsOf = ({ secret, previousSecret }: KeySecrets): SecretFingerprints => ({
  current: secretFingerprint(secret),
  former: previousSecret === undefined ? null : secretFingerprint(previousSecret),
});

// This text is not a valid key, so the fingerprint reveals nothing of a key's hash.
const secretFingerprint = (secret: string) =>
  createHmac('sha256', secret).update('fingerprint of API_KEY_SECRET').digest('hex').slice(0, 4);

/** The owner of a key: a company or an integration; the other one is null. */
export interface KeyOwner {
  readonly companyId: string | null;
  readonly integrationId: string | null;
}

/** A key to be made. */
export interface KeyDraft extends KeyOwner {
  readonly name: string | null;
  readonly scopes: readonly Scope[];
  /** Addresses and CIDR blocks that may use the key; empty means any. */
  readonly allowedIps: readonly string[];
  /** RFC 3339; null never expires. */
  readonly expiresAt: string | null;
  /** Rate limits of the key; null is the server's limit, 0 is no limit. */
  readonly perMinute?: number | null;
  readonly perHour?: number | null;
}

/** Makes a secret for `hashKey`: 256 random bits. */
export const makeSecret = () => randomBytes(32).toString('hex');

/** The part of a key that lists may show. */
export const startOf = (key: string) => key.slice(0, 8);

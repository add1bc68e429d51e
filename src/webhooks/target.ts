import { isIP } from 'node:net';
import { codeOf } from '../errors.ts';
import { addressList } from '../http/address.ts';

/** What the operator allows beyond `https` to public addresses (docs/contract.md#webhooks). */
export interface TargetRules {
  /** Whether `http` is allowed beside `https`. */
  readonly allowHttp: boolean;
  /** Addresses and CIDR blocks that are allowed although they are not public. */
  readonly allowNetworks: readonly string[];
}

/** Resolves a host name to all of its IPv4 and IPv6 addresses. Rejects with the error of the lookup if there is none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** The URL is not allowed as a target. `message` is one of our own texts, without data from DNS or the receiver. */
export class TargetError extends Error {}

/**
 * IPv4 blocks that are refused: those that IANA's special-purpose registry (RFC 6890 and later) does not call global, and
 * those that do not belong to one host (anycast, multicast). `168.63.129.16` looks public, but on Azure it is a service
 * of the platform that every virtual machine reaches.
 */
const notPublic4 = addressList([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.31.196.0/24', '192.52.193.0/24', '192.88.99.0/24', '192.168.0.0/16', '192.175.48.0/24'],
  ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4', '168.63.129.16'],
]);

/** The IPv6 block of global unicast addresses. Loopback, unique local, link-local and multicast are outside of it. */
const global6 = addressList(['2000::/3']);

/** Exceptions in that block: Teredo, benchmarks and others of 2001::/23, documentation, 6to4, 6bone, AS 112. */
const notPublic6 = addressList([
  ...['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3ffe::/16', '3fff::/20'],
]);

/** An IPv4 address inside the NAT64 prefix (RFC 6052), as IPv6-only networks use it; judged by the IPv4 address. */
const nat64 = /^64:ff9b::([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * Whether an address is a public unicast address.
 * @param address in the form of a resolver or of `URL`; false if it is not an IP address
 */
function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !notPublic4(address);
  const [, high, low] = nat64.exec(address) ?? [];
  if (high !== undefined && low !== undefined) {
    const bits = Number.parseInt(high, 16) * 0x10000 + Number.parseInt(low, 16);
    return isPublic([24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.'));
  }
  return global6(address) && !notPublic6(address);
}

/**
 * Checks a URL without a DNS lookup: scheme, user and password, and the address if the host is one.
 * @returns the parsed URL. The WHATWG URL standard normalizes its host, so `0x7f.1` is checked as `127.0.0.1`
 * @throws TargetError
 */
export function parseTarget(text: string, { allowHttp, allowNetworks }: TargetRules): URL {
  if (!URL.canParse(text)) throw new TargetError('the URL is not valid');
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(allowHttp && url.protocol === 'http:'))
    throw new TargetError('the URL is not https');
  if (url.username !== '' || url.password !== '') throw new TargetError('the URL has a user or a password');
  const host = hostOf(url);
  if (isIP(host) !== 0 && !areAllowed([host], allowNetworks)) throw new TargetError('the address is not public');
  return url;
}

/** The host of a URL, an IPv6 address without its brackets. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1');

/** Addresses of a name that are judged: DNS can give thousands, and each costs time. The text of the fault repeats it. */
const mostAddresses = 64;

/** Addresses of each family that are used. */
const mostOfFamily = 8;

/**
 * The addresses of a family that are used, in their order. Of too many it takes the first in text order: DNS servers rotate the
 * order of their answers, and each other choice would need connections of its own.
 */
function usedOf(addresses: readonly string[], family: 4 | 6): string[] {
  const all = [...new Set(addresses)].filter((address) => isIP(address) === family);
  const used = new Set(all.toSorted().slice(0, mostOfFamily));
  return all.filter((address) => used.has(address));
}

/**
 * Resolves the host of a URL and checks every address. One that is not allowed makes the name fail: otherwise an
 * attacker could return an allowed and a forbidden address, and the connection might use the forbidden one.
 * @returns at least one address. Connect to these: a second lookup of the name could return others (DNS rebinding)
 * @throws TargetError if there are none or too many, or one is not allowed; the error of a lookup that was not answered
 */
export async function resolveTarget(
  url: URL,
  { allowNetworks }: TargetRules,
  resolve: Resolve,
): Promise<readonly string[]> {
  const host = hostOf(url);
  const found = isIP(host) === 0 ? await resolve(host).catch(noneIfUnknown) : [host];
  if (found.length === 0 || !areAllowed(found.slice(0, mostAddresses), allowNetworks)) {
    // One text for both: an endpoint must not tell which names the operator's own DNS knows.
    throw new TargetError('the name has no address, or one that is not public');
  }
  if (found.length > mostAddresses) throw new TargetError('the name has more than 64 addresses');
  return [...usedOf(found, 4), ...usedOf(found, 6)];
}

/** Handles the error of a lookup: no addresses if DNS says that there is no such name, or none of its addresses. */
function noneIfUnknown(error: unknown): readonly string[] {
  const code = codeOf(error);
  if (code === 'ENOTFOUND' || code === 'ENODATA') return [];
  throw error;
}

function areAllowed(addresses: readonly string[], allowNetworks: readonly string[]): boolean {
  const isAllowed = addressList(allowNetworks);
  return addresses.every((address) => isPublic(address) || isAllowed(address));
}

/** The origin of a stored URL; null if SQL stored something that is none. */
export const originOf = (url: string): string | null => (URL.canParse(url) ? new URL(url).origin : null);

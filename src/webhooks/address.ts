import { isIP } from 'node:net';
import { addressList } from '../auth/address.ts';

/** Where deliveries may go, beyond https to public addresses: the operator's choice. */
export interface AddressRules {
  /** Whether `http` is allowed beside `https`. */
  readonly allowHttp: boolean;
  /** Addresses and CIDR blocks that are allowed although they are not public. */
  readonly allowNetworks: readonly string[];
}

/** All addresses of a name, such as `lookup` of `node:dns/promises` finds them. Rejects where there is none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** Why nothing may be sent to a URL. */
export type AddressFault =
  | 'the URL is not valid'
  | 'the URL is not https'
  | 'the URL has a user or a password'
  | 'the address is not public'
  | 'the name has no address';

/** Nothing is sent to this URL. `fault` says why; it holds nothing that the network told. */
export class AddressError extends Error {
  readonly fault: AddressFault;

  constructor(fault: AddressFault) {
    super(fault);
    this.fault = fault;
  }
}

/**
 * IPv4 that is not public (IANA's special-purpose registry, RFC 6890 and later): whatever is not global, or is not one
 * host's. `168.63.129.16` looks public and is the metadata service of every machine at Azure.
 */
const notPublic4 = addressList([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.31.196.0/24', '192.52.193.0/24', '192.88.99.0/24', '192.168.0.0/16', '192.175.48.0/24'],
  ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4', '168.63.129.16'],
]);

/** IPv6 that is given out for public use: all of it. Loopback, unique local, link-local and multicast are outside. */
const global6 = addressList(['2000::/3']);

/** Parts of it that are not public: Teredo, benchmarks and others of 2001::/23, documentation, 6to4, 6bone, AS 112. */
const notPublic6 = addressList([
  ...['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3ffe::/16', '3fff::/20'],
]);

/** IPv4 as NAT64 writes it (RFC 6052): networks that have IPv6 alone reach public IPv4 addresses by it. */
const nat64 = /^64:ff9b::([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * Whether an address is public: that of one host, reached over the Internet by everybody alike.
 * @param address in the form that a resolver or a URL gives it; what is no address is not public
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
 * Judges a URL without asking the network.
 * @returns the URL as it is used: its host in the one form that the WHATWG URL standard gives it, numbers such as
 *   `0x7f.1` included
 * @throws AddressError
 */
export function targetOf(text: string, { allowHttp, allowNetworks }: AddressRules): URL {
  if (!URL.canParse(text)) throw new AddressError('the URL is not valid');
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(allowHttp && url.protocol === 'http:'))
    throw new AddressError('the URL is not https');
  if (url.username !== '' || url.password !== '') throw new AddressError('the URL has a user or a password');
  const host = hostOf(url);
  if (isIP(host) !== 0) check([host], allowNetworks);
  return url;
}

/** The host of a URL, an IPv6 address without its brackets. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1');

/**
 * Finds where a request goes. One address that is not allowed condemns the name: else an attacker could mix addresses, and
 * wait until the connection takes the other one.
 * @returns the addresses to connect to, one at least, which the caller must use instead of the name
 * @throws AddressError when not all addresses are allowed; what the resolver throws
 */
export async function checkedAddresses(
  url: URL,
  { allowNetworks }: AddressRules,
  resolve: Resolve,
): Promise<readonly string[]> {
  const host = hostOf(url);
  const addresses = isIP(host) === 0 ? await resolve(host) : [host];
  if (addresses.length === 0) throw new AddressError('the name has no address');
  check(addresses, allowNetworks);
  return addresses;
}

function check(addresses: readonly string[], allowNetworks: readonly string[]): void {
  const isAllowed = addressList(allowNetworks);
  if (!addresses.every((address) => isPublic(address) || isAllowed(address))) {
    throw new AddressError('the address is not public');
  }
}

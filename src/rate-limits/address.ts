import ipaddr from 'ipaddr.js';

/**
 * What counts as one sender: an IPv4 address, or 64 bits of an IPv6 address, since whoever has one has 2^64 of them.
 * @param address as the server knows it; what is none, as a proxy may write it, counts as one sender together
 */
export function addressBlock(address: string | undefined): string {
  if (address === undefined || !ipaddr.isValid(address)) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}

import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';

/** One address, or all that share its first bits: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`. */
interface Block {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly prefix: number;
}

/**
 * The one form of an address: IPv6 as RFC 5952 has it, without a zone, and IPv4 where IPv6 only wraps it, as on a
 * socket that listens for both.
 * @returns undefined for what is no address
 */
function plainAddress(text = ''): string | undefined {
  const [address = ''] = text.split('%', 1);
  const family = isIP(address);
  if (family !== 6) return family === 4 ? address : undefined;
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
  return /^::ffff:([\d.]+)$/.exec(canonical)?.[1] ?? canonical;
}

function parseBlock(text: string): Block | undefined {
  const [, given = '', length] = /^([^/%]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const address = plainAddress(given);
  if (address === undefined) return undefined;
  const [family, bits] = isIP(address) === 4 ? (['ipv4', 32] as const) : (['ipv6', 128] as const);
  // The length of a block of wrapped IPv4 addresses counts the wrapping.
  const wrapping = isIP(given) === 6 && family === 'ipv4' ? 96 : 0;
  const prefix = length === undefined ? bits : Number(length) - wrapping;
  return prefix >= 0 && prefix <= bits ? { address, family, prefix } : undefined;
}

/** The one form of an address or a CIDR block; undefined for what is neither. */
export function plainBlock(text: string): string | undefined {
  const block = parseBlock(text);
  if (!block) return undefined;
  const isSingle = block.prefix === (block.family === 'ipv4' ? 32 : 128);
  return isSingle ? block.address : `${block.address}/${block.prefix}`;
}

/**
 * What counts as one sender: an IPv4 address, or 64 bits of an IPv6 address, since whoever has one has 2^64 of them.
 * @param address as the server knows it; what is none, as a proxy may write it, counts as one sender together
 */
export function senderOf(address = ''): string {
  const plain = plainAddress(address);
  if (plain === undefined || isIP(plain) === 4) return plain ?? 'unknown';
  const [before = '', after] = plain.split('::');
  const groups = before === '' ? [] : before.split(':');
  // Where zeros are left out, at most three groups at the end can be among the first four.
  const rest = after === undefined || after === '' ? [] : after.split(':');
  const zeros = Array(Math.max(0, 8 - groups.length - rest.length)).fill('0');
  return `${[...groups, ...zeros, ...rest].slice(0, 4).join(':')}::/64`;
}

/**
 * The one form of the address in an entry of `X-Forwarded-For`, which may carry a port or brackets, or in that of a
 * socket (docs/contract.md#authentication).
 * @returns undefined for what is no address
 */
export function callerAddress(entry = ''): string | undefined {
  // Most are, and nothing is to be done about them.
  if (isIPv4(entry)) return entry;
  const [, bracketed] = /^\[([^\]]*:[^\]]*)\](?::\d{1,5})?$/.exec(entry) ?? [];
  const [, beforePort] = /^([\d.]+):\d{1,5}$/.exec(entry) ?? [];
  return plainAddress(bracketed ?? beforePort ?? entry);
}

/** Entries of `X-Forwarded-For` that are looked at; one beyond them is taken for the caller's. */
const longestChain = 16;

/**
 * Whether an address is that of a proxy whose `X-Forwarded-For` is believed, for Fastify. It asks about the address of
 * the connection, at place 0, and then about the entries from the last one on, until one is no proxy: without a bound,
 * 16 KB of proxies would cost 10 ms a request.
 * @param proxies addresses and CIDR blocks
 */
export function trustedProxy(proxies: readonly string[]) {
  const isProxy = addressList(proxies);
  return (entry: string | undefined, place: number): boolean => place <= longestChain && isProxy(callerAddress(entry));
}

/** Addresses and CIDR blocks to be found again. What is neither matches nothing. */
export function addressList(blocks: readonly string[]) {
  // Apart, since Node counts IPv4 addresses among those of ::/0.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const text of blocks) {
    const block = parseBlock(text);
    if (block) lists[block.family].addSubnet(block.address, block.prefix, block.family);
  }
  /** @param text in any form; what is no address, or that of a client that has gone, is in no list */
  return (text: string | undefined): boolean => {
    const address = plainAddress(text);
    if (address === undefined) return false;
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    return lists[family].check(address, family);
  };
}

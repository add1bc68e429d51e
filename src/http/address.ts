import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';

/** An address or a CIDR block: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`. */
interface Block {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly prefix: number;
}

/**
 * The canonical form of an address: IPv6 as in RFC 5952 and without a zone; an IPv4-mapped IPv6 address, as on a socket
 * that listens for both, as IPv4.
 * @returns undefined if the text is not an address
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
  // The prefix length of an IPv4-mapped block includes the 96 bits of the mapping.
  const wrapping = isIP(given) === 6 && family === 'ipv4' ? 96 : 0;
  const prefix = length === undefined ? bits : Number(length) - wrapping;
  return prefix >= 0 && prefix <= bits ? { address, family, prefix } : undefined;
}

/** The canonical form of an address or a CIDR block; undefined if the text is neither. */
export function plainBlock(text: string): string | undefined {
  const block = parseBlock(text);
  if (!block) return undefined;
  const isSingle = block.prefix === (block.family === 'ipv4' ? 32 : 128);
  return isSingle ? block.address : `${block.address}/${block.prefix}`;
}

/**
 * The key by which senders are counted: an IPv4 address, or the first 64 bits of an IPv6 address, as one host usually has
 * all 2^64 addresses behind these.
 * @param address in any form; all callers without a valid address count as one sender
 */
export function senderOf(address = ''): string {
  const plain = plainAddress(address);
  if (plain === undefined || isIP(plain) === 4) return plain ?? 'unknown';
  const [before = '', after] = plain.split('::');
  const groups = before === '' ? [] : before.split(':');
  // With `::`, at most three of the groups behind it belong to the first four groups of the address.
  const rest = after === undefined || after === '' ? [] : after.split(':');
  const zeros = Array(Math.max(0, 8 - groups.length - rest.length)).fill('0');
  return `${[...groups, ...zeros, ...rest].slice(0, 4).join(':')}::/64`;
}

/**
 * The canonical form of a client's address (docs/contract.md#authentication).
 * @param entry from a socket, or of `X-Forwarded-For`, where it can have a port or brackets
 * @returns undefined if it is not an address
 */
export function callerAddress(entry = ''): string | undefined {
  // The usual case, without a port or brackets.
  if (isIPv4(entry)) return entry;
  const [, bracketed] = /^\[([^\]:]*:[^\]]*)\](?::\d{1,5})?$/.exec(entry) ?? [];
  const [, beforePort] = /^([\d.]+):\d{1,5}$/.exec(entry) ?? [];
  return plainAddress(bracketed ?? beforePort ?? entry);
}

/** Entries of `X-Forwarded-For` that are checked, from the last one on; the next one is taken as the caller's address. */
const longestChain = 16;

/**
 * The function for Fastify's `trustProxy`: whether an address belongs to a trusted proxy. Fastify calls it with the address
 * of the connection, at place 0, and then with the entries of `X-Forwarded-For` from the last one on, until it returns
 * false. Limited, because a header of 16 KB full of proxies would take 10 ms per request.
 * @param proxies addresses and CIDR blocks
 */
export function trustedProxy(proxies: readonly string[]) {
  const isProxy = addressList(proxies);
  return (entry: string | undefined, place: number): boolean => place <= longestChain && isProxy(callerAddress(entry));
}

/** Makes a test for a list of addresses and CIDR blocks. An entry that is neither matches nothing. */
export function addressList(blocks: readonly string[]) {
  // Separate lists, because Node's BlockList matches IPv4 addresses with ::/0.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const text of blocks) {
    const block = parseBlock(text);
    if (block) lists[block.family].addSubnet(block.address, block.prefix, block.family);
  }
  /** @param text in any form; false if it is undefined, as for a closed socket, or not an address */
  return (text: string | undefined): boolean => {
    const address = plainAddress(text);
    if (address === undefined) return false;
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    return lists[family].check(address, family);
  };
}

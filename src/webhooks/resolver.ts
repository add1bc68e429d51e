import { Resolver } from 'node:dns/promises';
import type { Resolve } from './target.ts';

/**
 * Asks the DNS servers of the machine for all addresses of a name, IPv4 before IPv6. Does not read `/etc/hosts`.
 *
 * `dns.lookup` is not used: it blocks one of Node's four threads until the name server answers, so four endpoints with
 * slow name servers could block all others.
 */
export function dnsResolver(): Resolve {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  return async (name) => {
    const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = found.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const [failed] = found.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
    if (addresses.length === 0 && failed !== undefined) throw failed;
    return addresses;
  };
}

import { Resolver } from 'node:dns/promises';
import type { Resolve } from './target.ts';

/** Milliseconds that the addresses of one family are waited for once those of the other are known. */
const longestLag = 1_000;

/**
 * Milliseconds after which a lookup makes another `Resolver`: it knows only the DNS servers that the machine had when it was
 * made. It is kept until then, because it remembers which server does not answer, and asks that one last.
 */
const longestUse = 30_000;

/**
 * Asks the DNS servers of the machine for all addresses of a name, IPv4 before IPv6. Does not read `/etc/hosts`.
 *
 * `dns.lookup` is not used: it blocks one of Node's four threads until the name server answers, so four endpoints with
 * slow name servers could block all others. A name server that drops questions for IPv6 delays a name by a second: without the
 * limit it would take longer than an attempt. Only addresses that were received, and checked, are connected to.
 * @param servers gives addresses of other DNS servers, with ports; called at most once in 30 s
 */
export function dnsResolver(servers?: () => readonly string[]): Resolve {
  let resolver: Resolver | undefined;
  let madeAt = 0;

  function current(): Resolver {
    if (resolver && performance.now() - madeAt < longestUse) return resolver;
    // The time is that of the first questions: behind quick DNS servers c-ares waits one second, so that four take 4 s at least.
    resolver = new Resolver({ timeout: 2_000, tries: 4 });
    if (servers) resolver.setServers(servers());
    madeAt = performance.now();
    return resolver;
  }

  return async (name) => {
    const resolver = current();
    const [four, six] = [resolver.resolve4(name), resolver.resolve6(name)];
    const found = await Promise.allSettled([unlessLate(four, six), unlessLate(six, four)]);
    const addresses = found.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const [failed] = found.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
    if (addresses.length === 0 && failed !== undefined) throw failed;
    return addresses;
  };
}

/** The addresses, or none if those of the other family have been known for `longestLag`. */
function unlessLate(addresses: Promise<string[]>, other: Promise<string[]>): Promise<string[]> {
  return new Promise((resolve, reject) => {
    addresses.then(resolve, reject);
    // If the other lookup fails, this one has all of its time.
    const limit = () => setTimeout(() => resolve([]), longestLag).unref();
    other.then(limit, () => {});
  });
}

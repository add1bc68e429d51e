import { isIP, type LookupFunction } from 'node:net';
import { Pool } from 'undici';

/** Connections to one endpoint at most, and with it attempts under way. */
export const connectionsPerEndpoint = 16;

/** Pools that are kept for a next attempt. Their idle connections end by themselves after 4 s. */
const keptPools = 64;

/** Bytes of an answer's headers, past which it is refused. */
const headerLimit = 16_384;

/**
 * Connections to receivers, kept for a next attempt: a new TLS connection would cost more than all the rest. A pool
 * connects only to addresses that were checked, whatever its host name means by then; a name that means other addresses
 * later gets another pool.
 */
export function receiverPools() {
  /** By what they connect to, the longest unused first. */
  const pools = new Map<string, { readonly pool: Pool; users: number }>();

  function closeUnused(): void {
    for (const [key, { pool, users }] of pools) {
      if (pools.size <= keptPools) return;
      if (users > 0) continue;
      pools.delete(key);
      void pool.close();
    }
  }

  return {
    /** Runs work with the pool that connects to these addresses as this host. */
    async use<Result>(url: URL, addresses: readonly string[], work: (pool: Pool) => Promise<Result>): Promise<Result> {
      const key = [url.origin, ...addresses.toSorted()].join(' ');
      const kept = pools.get(key) ?? { pool: makePool(url.origin, addresses), users: 0 };
      pools.delete(key);
      pools.set(key, kept);
      kept.users += 1;
      try {
        return await work(kept.pool);
      } finally {
        kept.users -= 1;
        closeUnused();
      }
    },

    /** Closes all of them; attempts that are under way fail. */
    async close(): Promise<void> {
      const open = [...pools.values()];
      pools.clear();
      await Promise.all(open.map(({ pool }) => pool.destroy()));
    },
  };
}

/** TLS asks for the certificate of the name, and the connection goes to the addresses. */
function makePool(origin: string, addresses: readonly string[]): Pool {
  return new Pool(origin, {
    connections: connectionsPerEndpoint,
    maxHeaderSize: headerLimit,
    allowH2: false,
    connect: { lookup: lookupOf(addresses), autoSelectFamily: true },
  });
}

/** In place of a name's look-up, when a socket connects: always what was checked. */
function lookupOf(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_name, { all: wantsAll }, done) => {
    const [first] = all;
    if (wantsAll || first === undefined) done(null, all);
    else done(null, first.address, first.family);
  };
}

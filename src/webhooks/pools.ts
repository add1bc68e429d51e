import { isIP, type LookupFunction } from 'node:net';
import { errors, Pool } from 'undici';

/** Unused pools are closed beyond this number of pools. */
const keptPools = 64;

/**
 * Milliseconds after which an idle connection is closed, at most. By default undici takes them from `Keep-Alive` of the answer,
 * up to 10 minutes: receivers could then use up the descriptors of the server.
 */
const longestIdle = 4_000;

/** Bytes that the headers of an answer may have; the attempt fails if there are more. */
const headerLimit = 16_384;

/** Limits in milliseconds. */
export interface ConnectLimits {
  /** The connection to each address but the last. */
  readonly longestConnect: number;
  /** The connections to all addresses but the last. */
  readonly allConnects: number;
}

/**
 * Node's default for each connection, 250 ms, is meant for IPv6 that does not work: a receiver farther away than that would be
 * given up, and IPv6 tried, which this machine may not have. For all connections there is less time than for an attempt, which
 * then reaches the last address even if the others are dead.
 */
export const connectLimits: ConnectLimits = { longestConnect: 3_000, allConnects: 8_000 };

/**
 * Connection pools, reused between attempts: a TLS handshake costs more than the rest of an attempt. There is a pool for
 * each origin and set of checked addresses, and it connects to these addresses only: it never resolves the host name. If
 * the name resolves to other addresses later, another pool is made.
 *
 * A pool has no limit of connections: endpoints of many companies can have one origin, and those that hang would keep the
 * attempts of the others waiting. `slots.ts` limits the attempts of each endpoint, and of all.
 */
export function receiverPools(limits: ConnectLimits) {
  /** By origin and addresses, the least recently used first. */
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
    /** Runs `work` with a pool for the origin of `url` whose connections go to these addresses. */
    async use<Result>(url: URL, addresses: readonly string[], work: (pool: Pool) => Promise<Result>): Promise<Result> {
      const key = [url.origin, ...addresses.toSorted()].join(' ');
      const kept = pools.get(key) ?? { pool: makePool(url.origin, addresses, limits), users: 0 };
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

    /** Destroys all pools; running attempts fail. */
    async close(): Promise<void> {
      const open = [...pools.values()];
      pools.clear();
      await Promise.all(open.map(({ pool }) => pool.destroy()));
    },
  };
}

/** Informational answers (1xx) before an answer; the attempt fails if there are more: `maxHeaderSize` is a limit of each. */
const informationalLimit = 8;

/** A listener for the informational answers to one request. @throws HeadersOverflowError at the ninth, which ends the request */
export function informationalCount(): () => void {
  let count = 0;
  return () => {
    count += 1;
    if (count > informationalLimit) throw new errors.HeadersOverflowError();
  };
}

/** A pool that connects to the addresses, while TLS verifies the certificate for the host name of the origin. */
function makePool(origin: string, addresses: readonly string[], { longestConnect, allConnects }: ConnectLimits): Pool {
  return new Pool(origin, {
    maxHeaderSize: headerLimit,
    allowH2: false,
    keepAliveTimeout: longestIdle,
    keepAliveMaxTimeout: longestIdle,
    connect: {
      lookup: lookupOf(addresses),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: Math.min(longestConnect, Math.ceil(allConnects / addresses.length)),
    },
  });
}

/** Replaces the DNS lookup of a socket: always returns the checked addresses. */
function lookupOf(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_name, { all: wantsAll }, done) => {
    const [first] = all;
    if (wantsAll || first === undefined) done(null, all);
    else done(null, first.address, first.family);
  };
}

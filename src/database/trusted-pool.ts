import pg from 'pg';

type ConnectCallback = Parameters<InstanceType<typeof pg.Pool>['connect']>[0];

/**
 * A pool that hands out only connections that can be trusted.
 *
 * Where a statement got no answer, a network or a machine may have forgotten all connections of that time without a word:
 * each would cost a request its whole time. So those that were opened before are closed instead of used.
 *
 * A connection that comes back inside a transaction is closed as well. Prisma's adapter gives it back as good even when
 * COMMIT or ROLLBACK got no answer; the next write would run inside that transaction, and be answered without being
 * committed. `getTransactionStatus` is what PostgreSQL itself said last.
 */
export class TrustedPool extends pg.Pool {
  readonly #openedAt = new WeakMap<pg.ClientBase, number>();
  #trustedSince = 0;

  constructor(config: pg.PoolConfig) {
    super(config);
    this.on('connect', (client) => {
      this.#openedAt.set(client, performance.now());
      // One that breaks between two statements of a transaction fails the next of them. Unheard, it would end the process.
      client.on('error', () => {});
    });
  }

  /** A statement got no answer: no connection that is open now is used again. */
  distrustAll(): void {
    this.#trustedSince = performance.now();
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | undefined {
    const connected = this.#connect();
    if (!callback) return connected;
    connected.then(
      (client) => callback(undefined, client, client.release),
      (error) => callback(error, undefined, () => {}),
    );
    return undefined;
  }

  async #connect(): Promise<pg.PoolClient> {
    for (;;) {
      const client = await super.connect();
      const { release } = client;
      if ((this.#openedAt.get(client) ?? 0) < this.#trustedSince) {
        release(true);
        continue;
      }
      client.release = (error) => release(error ?? client.getTransactionStatus() !== 'I');
      return client;
    }
  }
}

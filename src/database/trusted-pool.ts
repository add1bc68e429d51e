import pg from 'pg';

type ConnectCallback = Parameters<InstanceType<typeof pg.Pool>['connect']>[0];

/**
 * A pool that never reuses a connection that may be dead or inside a transaction.
 *
 * If a statement got no answer, the network or the machine may have dropped all connections that were open then without
 * closing them, and each would cost a request its whole time limit. They are closed instead of reused.
 *
 * A connection that is released inside a transaction is closed too. Prisma's adapter releases it without an error even if
 * COMMIT or ROLLBACK got no answer. The next write would run inside that transaction and be acknowledged without being
 * committed. `getTransactionStatus` is the status that PostgreSQL reported last.
 */
export class TrustedPool extends pg.Pool {
  readonly #openedAt = new WeakMap<pg.ClientBase, number>();
  #trustedSince = 0;

  constructor(config: pg.PoolConfig) {
    super(config);
    this.on('connect', (client) => {
      this.#openedAt.set(client, performance.now());
      // Without a listener, a connection that breaks inside a transaction would end the process. Its next statement fails.
      client.on('error', () => {});
    });
  }

  /** Call it when a statement got no answer: connections that are open now are not used again. */
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

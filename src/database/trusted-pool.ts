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
 *
 * A connection whose statement got no answer keeps its place in the pool, since PostgreSQL may go on with the statement after
 * the connection is closed: a new connection would be one more session. `closeUnanswered` gives such places back. One place
 * is never kept, so that reads go on.
 */
export class TrustedPool extends pg.Pool {
  readonly #openedAt = new WeakMap<pg.ClientBase, number>();
  readonly #closeUnanswered: (() => void)[] = [];
  readonly #onUnanswered: () => void;
  #trustedSince = 0;

  /** @param onUnanswered called when a connection whose statement got no answer is released */
  constructor(config: pg.PoolConfig, onUnanswered: () => void) {
    super(config);
    this.#onUnanswered = onUnanswered;
    this.on('connect', (client) => {
      this.#openedAt.set(client, performance.now());
      // Without a listener, a connection that breaks inside a transaction would end the process. Its next statement fails.
      client.on('error', () => {});
    });
  }

  /** Call it when a statement got no answer, or from no primary: connections that are open now are not used again. */
  distrustAll(): void {
    this.#trustedSince = performance.now();
  }

  /** Call it when PostgreSQL has ended all statements that got no answer, or before the pool is closed. */
  closeUnanswered(): void {
    for (const close of this.#closeUnanswered.splice(0)) close();
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
      client.release = (error) => {
        if (isBusy(client)) this.#keep(() => release(true));
        else release((isRefusal(error) ? undefined : error) ?? client.getTransactionStatus() !== 'I');
      };
      return client;
    }
  }

  #keep(close: () => void): void {
    if (this.#closeUnanswered.length < this.options.max - 1) this.#closeUnanswered.push(close);
    else close();
    this.#onUnanswered();
  }
}

/** Whether a statement of the connection has no answer yet. `pg` keeps it here until then, or until the connection breaks. */
const isBusy = (client: pg.ClientBase): boolean => '_activeQuery' in client && Boolean(client._activeQuery);

/**
 * Whether an error is no more than the refusal of a statement: for its values (classes 22 and 23), a conflict (40), a lock
 * (55P03) or the time (57014). After other errors, such as that a statement is prepared already, the connection is closed. `pg`
 * reports a refusal before it reads the status that follows, so the status from before the statement counts: outside a
 * transaction both are the same, and a connection that is released inside one is closed in any case.
 */
const isRefusal = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && /^(?:22|23|40)|^(?:55P03|57014)$/.test(error.code ?? '');

import { expect, onTestFinished, test, vi } from 'vitest';
import { openDatabase } from '../../src/database/client.ts';
import { TrustedPool } from '../../src/database/trusted-pool.ts';
import { openLink } from '../support/database-link.ts';
import { whileAgentLocked, whileLocked } from '../support/locks.ts';
import { patience, patientUrl } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const patient = { connectionLimit: patience, statementLimit: patience };

function open(url: string, connections: number, statementLimit = patience) {
  const database = openDatabase({ ...patient, url: patientUrl(url), connections, statementLimit });
  onTestFinished(() => database.close());
  return database;
}

/** Repeats a call until it does not fail. */
const untilSucceeds = (call: () => Promise<unknown>) =>
  vi.waitUntil(
    () =>
      call().then(
        () => true,
        () => false,
      ),
    { timeout: patience },
  );

test('a connection that ends between two statements of a transaction fails that transaction, and the process continues', async () => {
  const database = open(world.databaseUrl, 1);
  const failing = database.transaction(async (query) => {
    const { pid } = Object((await query({ text: 'SELECT pg_backend_pid() AS pid', values: [] }))[0]);
    await world.sql.query('SELECT pg_terminate_backend($1)', [pid]);
    const isGone = async () =>
      (await world.sql.query('SELECT FROM pg_stat_activity WHERE pid = $1', [pid])).rowCount === 0;
    await vi.waitUntil(isGone, { timeout: 60_000, interval: 5 });
    return await query({ text: 'SELECT 1 AS one', values: [] });
  });
  await expect(failing).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  expect(await database.query({ text: 'SELECT 1 AS one', values: [] })).toEqual([{ one: 1 }]);
});

test.each([
  ['a division by zero', 'SELECT 1 / 0', '22012'],
  ['a value that is taken', 'INSERT INTO company (id, name) SELECT id, name FROM company', '23505'],
  ['a lock that is not free', 'SELECT FROM agent_version LIMIT 0', '55P03'],
])('the connection of a statement that PostgreSQL refuses is used further: %s', async (_, text, code) => {
  await world.company();
  const pool = new TrustedPool({ connectionString: patientUrl(world.ownerUrl), max: 1 }, () => {});
  onTestFinished(() => pool.end());
  const pidOf = async () => (await pool.query('SELECT pg_backend_pid() AS pid')).rows;
  const before = await pidOf();
  await pool.query("SET lock_timeout = '1ms'");
  await whileLocked(world, 'LOCK TABLE agent_version IN ACCESS EXCLUSIVE MODE', [], async () => {
    await expect(pool.query(text)).rejects.toMatchObject({ code });
  });
  expect(await pidOf()).toEqual(before);
});

test('a connection that PostgreSQL ends is reported, and is not while the pool closes', async () => {
  const link = await openLink(world.databaseUrl);
  const reported: string[] = [];
  const openOne = async () => {
    const onIdleError = ({ message }: Error) => reported.push(message);
    const opened = openDatabase({ ...patient, url: patientUrl(link.url), connections: 1, onIdleError });
    const { pid } = Object((await opened.query({ text: 'SELECT pg_backend_pid() AS pid', values: [] }))[0]);
    return { opened, terminate: () => world.sql.query('SELECT pg_terminate_backend($1, 60000)', [pid]) };
  };
  const ended = 'terminating connection due to administrator command';
  const idle = await openOne();
  await idle.terminate();
  await vi.waitUntil(() => reported.length > 0, { timeout: 60_000 });
  await idle.opened.close();

  const closed = await openOne();
  // PostgreSQL ends the connection before it reads that it was closed.
  link.freeze();
  await closed.opened.close();
  await closed.terminate();
  link.thaw();
  await vi.waitUntil(() => link.isIdle(), { timeout: 60_000 });
  expect(reported).toEqual([ended]);
});

test('a transaction that gets no connection in time fails as an unavailable database, not as an internal error', async () => {
  const [url, connectionLimit] = [patientUrl(world.databaseUrl), 1_000];
  const database = openDatabase({ ...patient, url, connections: 1, connectionLimit });
  onTestFinished(() => database.close());
  await untilSucceeds(() => database.query({ text: 'SELECT 1', values: [] }));
  // Not `database.transaction`, which would keep further transactions waiting for their turn instead of a connection.
  const begin = { maxWait: patience, timeout: patience };
  await database.prisma.$transaction(async () => {
    await expect(database.transaction(async () => {})).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  }, begin);
});

test('after the network silently dropped many connections, one statement times out and the next succeeds', async () => {
  const link = await openLink(world.databaseUrl);
  const database = open(link.url, 10, 1_000);
  const statement = () => database.query({ text: 'SELECT 1 AS one', values: [] });
  await untilSucceeds(async () => {
    await Promise.all(Array.from({ length: 10 }, statement));
    expect(database.poolUse()).toEqual({ busy: 0, idle: 10, waiting: 0 });
  });
  link.forget();
  link.remember();
  await expect(statement()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  // On a slow machine it is the next but one, and not the eleventh.
  expect(await statement().catch(statement)).toEqual([{ one: 1 }]);
});

test.for(['COMMIT', 'ROLLBACK'])(
  'a connection without an answer to %s is not used again, and the next write is committed',
  async (unanswered) => {
    const { id: companyId } = await world.company();
    const [held, { id }] = [await world.agent(companyId), await world.agent(companyId)];
    const database = open(world.ownerUrl, 1, 300);
    await whileAgentLocked(world, held.id, async (release) => {
      // The statement waits for the row lock, and the end of the transaction is queued behind it; both time out. The
      // operator's client is used, because its connections have no other check that would discard them.
      let hasBegun = false;
      const failing = () =>
        database.prisma.$transaction(
          async (tx) => {
            hasBegun = true;
            await tx.$queryRawUnsafe('SELECT FROM agent WHERE id = $1::uuid FOR UPDATE', held.id).catch(() => {});
            if (unanswered === 'ROLLBACK') throw new Error('rolled back');
          },
          { maxWait: patience, timeout: patience },
        );
      // On a slow machine, BEGIN can time out as well.
      let ended: unknown;
      while (!hasBegun) ended = await failing().catch((error: unknown) => error);
      const message = unanswered === 'ROLLBACK' ? 'rolled back' : 'Query read timeout';
      expect(ended).toMatchObject({ message: expect.stringContaining(message) });
      await release();
    });
    // On a slow machine, a new connection or a commit can time out. The first update that is acknowledged must be stored.
    await untilSucceeds(() =>
      database.query({ text: 'UPDATE agent SET name = $2 WHERE id = $1::uuid', values: [id, 'Acknowledged'] }),
    );
    expect(JSON.parse(await world.row(id))).toMatchObject({ name: 'Acknowledged' });
  },
);

const select = { text: 'SELECT 1 AS one', values: [] };

test('a pool closes while a statement has no answer', async () => {
  const link = await openLink(world.databaseUrl);
  const database = openDatabase({ url: link.url, connections: 2, statementLimit: 2_000 });
  await untilSucceeds(() => database.query(select));
  link.freeze();
  const unanswered = expect(database.query(select)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  // As a request whose client is gone: its statement is still running when the server stops.
  await vi.waitUntil(() => database.poolUse().busy === 1, { timeout: 60_000, interval: 5 });
  await Promise.all([database.close(), unanswered]);
});

test('a pool closes while the end of a transaction has no answer', async () => {
  const link = await openLink(world.databaseUrl);
  const database = openDatabase({ url: link.url, connections: 2, statementLimit: 1_000 });
  let [isFrozen, isEnding] = [false, false];
  const transact = () =>
    database.transaction(async (query) => {
      await query(select);
      link.freeze();
      isFrozen = true;
      // It has no answer, and the ROLLBACK behind it has none either.
      return await query(select).finally(() => {
        isEnding = true;
      });
    });
  // On a slow machine, what comes before can time out as well.
  const untilFrozen = (): Promise<unknown> =>
    transact().catch((error: unknown) => {
      if (isFrozen) throw error;
      return untilFrozen();
    });
  const unanswered = expect(untilFrozen()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  await vi.waitUntil(() => isEnding, { timeout: 60_000, interval: 5 });
  await Promise.all([database.close(), unanswered]);
});

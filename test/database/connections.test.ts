import { expect, onTestFinished, test, vi } from 'vitest';
import { openDatabase } from '../../src/database/client.ts';
import { openLink } from '../support/database-link.ts';
import { whileAgentLocked } from '../support/locks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

function open(url: string, connections: number, statementLimit = 2_200) {
  const database = openDatabase({ url, connections, statementLimit });
  onTestFinished(() => database.close());
  return database;
}

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

test('a connection that PostgreSQL ends is reported, and is not while the pool closes', async () => {
  const link = await openLink(world.databaseUrl);
  const reported: string[] = [];
  const openOne = async () => {
    const onIdleError = ({ message }: Error) => reported.push(message);
    const opened = openDatabase({ url: link.url, connections: 1, onIdleError });
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
  const database = openDatabase({ url: world.databaseUrl, connections: 1, connectionLimit: 1_000 });
  onTestFinished(() => database.close());
  await database.query({ text: 'SELECT 1', values: [] });
  const busy = database.query({ text: 'SELECT 1 FROM pg_sleep(1.9)', values: [] });
  await expect(database.transaction(async () => {})).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  await busy;
});

test('after the network silently dropped many connections, one statement times out and the next succeeds', async () => {
  const link = await openLink(world.databaseUrl);
  const database = open(link.url, 5, 300);
  const pids = () =>
    Promise.all(Array.from({ length: 5 }, () => database.query({ text: 'SELECT pg_backend_pid()', values: [] })));
  expect(new Set((await pids()).map((rows) => JSON.stringify(rows))).size).toBe(5);
  link.forget();
  link.remember();
  await expect(database.query({ text: 'SELECT 1 AS one', values: [] })).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
  });
  expect(await database.query({ text: 'SELECT 1 AS one', values: [] })).toEqual([{ one: 1 }]);
});

test.for(['COMMIT', 'ROLLBACK'])(
  'a connection without an answer to %s is not used again, and the next write is committed',
  async (unanswered) => {
    const { id: companyId } = await world.company();
    const [held, { id }] = [await world.agent(companyId), await world.agent(companyId)];
    const database = open(world.ownerUrl, 1, 100);
    await whileAgentLocked(world, held.id, async (release) => {
      // The statement waits for the row lock, and the end of the transaction is queued behind it; both time out. The
      // operator's client is used, because its connections have no other check that would discard them.
      const failing = database.prisma.$transaction(async (tx) => {
        await tx.$queryRawUnsafe('SELECT FROM agent WHERE id = $1::uuid FOR UPDATE', held.id).catch(() => {});
        if (unanswered === 'ROLLBACK') throw new Error('rolled back');
      });
      await expect(failing).rejects.toThrow(unanswered === 'ROLLBACK' ? 'rolled back' : 'Query read timeout');
      await release();
    });
    await database.query({ text: 'UPDATE agent SET name = $2 WHERE id = $1::uuid', values: [id, 'Acknowledged'] });
    expect(JSON.parse(await world.row(id))).toMatchObject({ name: 'Acknowledged' });
  },
);

test('a pool closes while a statement has no answer', async () => {
  const link = await openLink(world.databaseUrl);
  const database = openDatabase({ url: link.url, connections: 2, statementLimit: 300 });
  const select = { text: 'SELECT 1 AS one', values: [] };
  await database.query(select);
  link.freeze();
  const unanswered = database.query(select);
  // As a request whose client is gone: its statement is still running when the server stops.
  await vi.waitUntil(() => database.poolUse().busy === 1);
  await Promise.all([database.close(), expect(unanswered).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })]);
});

test('a pool closes while the end of a transaction has no answer', async () => {
  const link = await openLink(world.databaseUrl);
  const database = openDatabase({ url: link.url, connections: 2, statementLimit: 300 });
  const select = { text: 'SELECT 1 AS one', values: [] };
  const unanswered = database.transaction(async (query) => {
    await query(select);
    link.freeze();
    return await query(select);
  });
  await vi.waitUntil(() => database.poolUse().busy === 1);
  await Promise.all([database.close(), expect(unanswered).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })]);
});

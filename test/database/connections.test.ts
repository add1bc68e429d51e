import { expect, onTestFinished, test, vi } from 'vitest';
import { openDatabase } from '../../src/database/client.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('a connection that ends between two statements of a transaction fails that one, and not the process', async () => {
  const database = openDatabase({ url: world.databaseUrl, connections: 1 });
  onTestFinished(() => database.close());
  const failing = database.transaction(async (query) => {
    const [{ pid } = { pid: 0 }] = await query<{ pid: number }>('SELECT pg_backend_pid() AS pid', []);
    await world.sql.query('SELECT pg_terminate_backend($1)', [pid]);
    const isGone = async () =>
      (await world.sql.query('SELECT FROM pg_stat_activity WHERE pid = $1', [pid])).rowCount === 0;
    await vi.waitUntil(isGone, { interval: 5 });
    return await query('SELECT 1 AS one', []);
  });
  await expect(failing).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  expect(await database.query('SELECT 1 AS one', [])).toEqual([{ one: 1 }]);
});

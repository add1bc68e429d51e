import { expect, inject, test, vi } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { openLink } from '../support/database-link.ts';
import { send } from '../support/http.ts';
import { untilWaiting, whileLocked } from '../support/locks.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const get = (path: string) => world.send({ method: 'GET', path });

test.each(['/health/live', '/health/ready'])('%s answers 200 without a key', async (path) => {
  const answer = await get(path);
  expect(answer).toMatchObject({ status: 200, body: { status: 'ok' } });
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  expect(answer.headers['x-request-id']).toMatch(/./);
});

test.each(['/health/live', '/health/ready'])('%s answers 405 to any other method', async (path) => {
  const answer = await world.send({ method: 'POST', path });
  expectProblem(answer, { code: 'METHOD_NOT_ALLOWED', instance: path });
  expect(answer.headers['allow']).toBe('GET, HEAD');
});

test('HEAD answers as GET does, without a body', async () => {
  const answer = await world.send({ method: 'HEAD', path: '/health/ready' });
  expect(answer).toMatchObject({ status: 200, text: '' });
});

test('while a migration is pending, health/ready is 503 and health/live is 200', async () => {
  const { rows } = await world.sql.query('SELECT migration_name AS name FROM _prisma_migrations ORDER BY started_at');
  const name: unknown = rows.at(-1)?.name;
  await world.sql.query('UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = $1', [name]);
  const pending = await get('/health/ready');
  expectProblem(pending, { code: 'DATABASE_UNAVAILABLE', instance: '/health/ready' });
  expect(pending.headers['retry-after']).toBe('1');
  expect(await get('/health/live')).toMatchObject({ status: 200 });

  await world.sql.query('UPDATE _prisma_migrations SET finished_at = now() WHERE migration_name = $1', [name]);
  expect(await get('/health/ready')).toMatchObject({ status: 200 });
});

test.each([
  ['is not there', 'ALTER TABLE _prisma_migrations RENAME TO moved', 'ALTER TABLE moved RENAME TO _prisma_migrations'],
  ['is in no schema', 'ALTER SCHEMA public RENAME TO moved', 'ALTER SCHEMA moved RENAME TO public'],
  [
    'cannot be read by the server',
    `REVOKE SELECT ON _prisma_migrations FROM ${inject('serverRole')}`,
    `GRANT SELECT ON _prisma_migrations TO ${inject('serverRole')}`,
  ],
])('while the table of migrations %s, health/ready is 503 and health/live is 200', async (_, take, giveBack) => {
  await world.sql.query(take);
  try {
    const unready = await get('/health/ready');
    expectProblem(unready, { code: 'DATABASE_UNAVAILABLE', instance: '/health/ready' });
    expect(unready.headers['retry-after']).toBe('1');
    expect(await get('/health/live')).toMatchObject({ status: 200 });
  } finally {
    await world.sql.query(giveBack);
  }
  expect(await get('/health/ready')).toMatchObject({ status: 200, body: { status: 'ok' } });
});

test('health/live makes no query: it answers 200 while every table is locked', () =>
  whileLocked(world, 'LOCK TABLE _prisma_migrations, api_key, agent IN ACCESS EXCLUSIVE MODE', [], async () => {
    for (let time = 0; time < 20; time += 1) expect(await get('/health/live')).toMatchObject({ status: 200 });
  }));

/**
 * Runs a task while 30 readiness checks of a server wait for the database; returns their statuses and the number of
 * queries.
 */
async function whileManyWait(task: (fail: () => Promise<void>, release: () => Promise<unknown>) => Promise<void>) {
  const link = await openLink(world.databaseUrl);
  const { app, origin } = await openAnotherServer(world, { databaseUrl: link.url });
  let arrived = 0;
  app.server.on('request', () => {
    arrived += 1;
  });
  return await whileLocked(world, 'LOCK TABLE _prisma_migrations IN ACCESS EXCLUSIVE MODE', [], async (release) => {
    const checks = Array.from({ length: 30 }, () => send(origin, { method: 'GET', path: '/health/ready' }));
    await vi.waitUntil(() => arrived === 30, { timeout: 60_000 });
    await untilWaiting(world);
    await task(link.cutOff, release);
    const answers = await Promise.all(checks);
    const queries = link.asked().split('FROM _prisma_migrations').length - 1;
    return { statuses: new Set(answers.map(({ status }) => status)), queries };
  });
}

test('readiness checks that arrive while one runs share its query and its result, 200 or 503', async () => {
  const good = await whileManyWait(async (_, release) => {
    await release();
  });
  expect(good).toEqual({ statuses: new Set([200]), queries: 1 });
  const bad = await whileManyWait((fail) => fail());
  expect(bad).toEqual({ statuses: new Set([503]), queries: 1 });
  expect(await get('/health/ready')).toMatchObject({ status: 200 });
});

import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { expect, inject, test } from 'vitest';
import { connect, run } from '../support/connection.ts';
import { makePostgres, type PostgresSettings, serverRole } from './support/own-postgres.ts';
import { openSiege } from './support/siege.ts';

const kills = inject('isShort') ? 3 : 10;
/** Milliseconds that an outage lasts. */
const lasting = 10_000;

/** A PostgreSQL of its own, and a server under load on it. */
async function openOwn({
  settings = {},
  env = {},
}: {
  settings?: PostgresSettings;
  env?: Record<string, string>;
} = {}) {
  const postgres = await makePostgres(settings);
  await postgres.start();
  const database = await postgres.makeDatabase();
  return { postgres, database, siege: await openSiege(database, env) };
}

const endSessions = (url: string) =>
  run(url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'interview-agents-api'`);

test(`PostgreSQL is killed ${kills} times and started again: only 503 in time, back within 2 s, nothing lost`, async () => {
  const { postgres, siege } = await openOwn();
  for (let kill = 0; kill < kills; kill += 1) {
    await siege.withstand({
      task: async () => {
        postgres.signal('SIGKILL');
        await postgres.ended();
        await postgres.start();
      },
    });
  }
  await siege.expectAllSaved();
});

test(`one of PostgreSQL's sessions is killed ${kills} times, which ends all: only 503 in time, back within 2 s`, async () => {
  const { postgres, siege } = await openOwn();
  for (let kill = 0; kill < kills; kill += 1) {
    await siege.withstand({
      task: async () => {
        const [victim, witness] = [await connect(postgres.superUrl), await connect(postgres.superUrl)];
        const isCutOff = new Promise((resolve) => witness.once('end', resolve));
        const { rows } = await victim.query('SELECT pg_backend_pid() AS pid');
        process.kill(rows[0].pid, 'SIGKILL');
        await isCutOff;
        await postgres.start();
      },
    });
  }
  await siege.expectAllSaved();
});

test('PostgreSQL is frozen for 10 s: only 503 in time, back within 2 s', async () => {
  const { postgres, siege } = await openOwn();
  await siege.withstand({
    task: async () => {
      const thaw = await postgres.freeze();
      await delay(lasting);
      thaw();
    },
  });
  await siege.expectAllSaved();
});

test('somebody holds the row of one agent for 10 s: its changes are 503 in time, all else goes on, back within 2 s', async () => {
  const { database, siege } = await openOwn();
  const [id = ''] = siege.ids;
  await siege.withstand({
    hits: (line) => line.startsWith(`PATCH /agents/${id}`),
    task: async () => {
      const holder = await connect(database.ownerUrl);
      await holder.query('BEGIN');
      await holder.query('SELECT FROM agent WHERE id = $1 FOR UPDATE', [id]);
      await delay(lasting);
      await holder.end();
    },
  });
  await siege.expectAllSaved();
});

test("a table is held for 10 s, and all of the server's connections wait for it: only 503 in time, back within 2 s", async () => {
  const { database, siege } = await openOwn({ env: { DATABASE_POOL: '2' } });
  await siege.withstand({
    task: async () => {
      const holder = await connect(database.ownerUrl);
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE agent_version IN ACCESS EXCLUSIVE MODE');
      await delay(lasting);
      await holder.end();
    },
  });
  await siege.expectAllSaved();
});

test('others have all connections of PostgreSQL for 10 s: only 503 in time, back within 2 s', async () => {
  const { postgres, siege } = await openOwn({ settings: { max_connections: 20, superuser_reserved_connections: 0 } });
  await siege.withstand({
    task: async () => {
      const others: pg.Client[] = [];
      const end = performance.now() + lasting;
      while (performance.now() < end) {
        const client = await connect(postgres.superUrl).catch(() => undefined);
        if (client) others.push(client);
        const [first] = others;
        await first?.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'interview-agents-api'`,
        );
        await delay(50);
      }
      expect(others.length).toBeGreaterThan(15);
      await Promise.all(others.map((client) => client.end()));
    },
  });
  await siege.expectAllSaved();
});

test("the server's role may not connect for 10 s: only 503 in time, back within 2 s", async () => {
  const { postgres, siege } = await openOwn();
  await siege.withstand({
    task: async () => {
      await run(postgres.superUrl, `ALTER ROLE ${serverRole} CONNECTION LIMIT 0`);
      await endSessions(postgres.superUrl);
      await delay(lasting);
      await run(postgres.superUrl, `ALTER ROLE ${serverRole} CONNECTION LIMIT -1`);
    },
  });
  await siege.expectAllSaved();
});

import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { expect, inject, test } from 'vitest';
import { connect, run } from '../support/connection.ts';
import { openOutageClients } from './support/outage-clients.ts';
import { makePostgres, type PostgresSettings, serverRole } from './support/own-postgres.ts';

const kills = inject('isShort') ? 3 : 10;
/** Milliseconds of an outage. */
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
  return { postgres, database, outageClients: await openOutageClients(database, env) };
}

const endSessions = (url: string) =>
  run(url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'interview-agents-api'`);

test(`while PostgreSQL is killed and restarted ${kills} times requests are only 503 and in time, and served within 2 s afterwards; nothing is lost`, async () => {
  const { postgres, outageClients } = await openOwn();
  for (let kill = 0; kill < kills; kill += 1) {
    await outageClients.expectRecoveryFrom({
      task: async () => {
        postgres.signal('SIGKILL');
        await postgres.ended();
        await postgres.start();
      },
    });
  }
  await outageClients.expectAllSaved();
});

test(`while a session of PostgreSQL is killed ${kills} times, which ends all sessions, requests are only 503 and in time, and served within 2 s afterwards`, async () => {
  const { postgres, outageClients } = await openOwn();
  for (let kill = 0; kill < kills; kill += 1) {
    await outageClients.expectRecoveryFrom({
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
  await outageClients.expectAllSaved();
});

test('while PostgreSQL is frozen for 10 s requests are only 503 and in time, and served within 2 s afterwards', async () => {
  const { postgres, outageClients } = await openOwn();
  await outageClients.expectRecoveryFrom({
    task: async () => {
      const thaw = await postgres.freeze();
      await delay(lasting);
      thaw();
    },
  });
  await outageClients.expectAllSaved();
});

test('while the row of one agent is locked for 10 s its changes are 503 in time and all others are served; its changes are served within 2 s afterwards', async () => {
  const { database, outageClients } = await openOwn();
  const [id = ''] = outageClients.ids;
  await outageClients.expectRecoveryFrom({
    hits: (line) => line.startsWith(`PATCH /agents/${id}`),
    task: async () => {
      const holder = await connect(database.ownerUrl);
      await holder.query('SET idle_in_transaction_session_timeout = 0; BEGIN');
      await holder.query('SELECT FROM agent WHERE id = $1 FOR UPDATE', [id]);
      await delay(lasting);
      await holder.end();
    },
  });
  await outageClients.expectAllSaved();
});

test('while a table is locked for 10 s and all connections of the server wait for it, requests are only 503 and in time, and served within 2 s afterwards', async () => {
  const { database, outageClients } = await openOwn({ env: { DATABASE_POOL: '2' } });
  await outageClients.expectRecoveryFrom({
    task: async () => {
      const holder = await connect(database.ownerUrl);
      await holder.query('SET idle_in_transaction_session_timeout = 0; BEGIN');
      await holder.query('LOCK TABLE agent_version IN ACCESS EXCLUSIVE MODE');
      await delay(lasting);
      await holder.end();
    },
  });
  await outageClients.expectAllSaved();
});

test('while other clients use all connections of PostgreSQL for 10 s requests are only 503 and in time, and served within 2 s afterwards', async () => {
  const { postgres, outageClients } = await openOwn({
    settings: { max_connections: 20, superuser_reserved_connections: 0 },
  });
  await outageClients.expectRecoveryFrom({
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
  await outageClients.expectAllSaved();
});

test("while the server's role may not connect for 10 s requests are only 503 and in time, and served within 2 s afterwards", async () => {
  const { postgres, outageClients } = await openOwn();
  await outageClients.expectRecoveryFrom({
    task: async () => {
      await run(postgres.superUrl, `ALTER ROLE ${serverRole} CONNECTION LIMIT 0`);
      await endSessions(postgres.superUrl);
      await delay(lasting);
      await run(postgres.superUrl, `ALTER ROLE ${serverRole} CONNECTION LIMIT -1`);
    },
  });
  await outageClients.expectAllSaved();
});

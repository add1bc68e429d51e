import { expect, onTestFinished, test, vi } from 'vitest';
import { type Database, openDatabase } from '../../src/database/client.ts';
import { longRead, longTransaction } from '../../src/database/long-transaction.ts';
import { withMigrationLock } from '../../src/database/session.ts';
import { applicationName, hasOverdueStatements } from '../../src/database/state.ts';
import { halfBatch, longAnswer, openStuckClient } from '../support/stuck-client.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** Milliseconds for one statement of the role. The session that asks has the same limit, so it must be enough for its question. */
const limit = 1_000;

/** A pool of the server's role, or of a command of a role that does both. */
const open = (parameters: Record<string, string> = {}): Database => openUrl(urlWith(parameters));

function openUrl(url: string): Database {
  const database = openDatabase({ url, connections: 1, statementLimit: 60_000 });
  onTestFinished(() => database.close());
  return database;
}

function urlWith(parameters: Record<string, string>): string {
  const url = new URL(world.databaseUrl);
  url.searchParams.set('options', `-c statement_timeout=${limit}`);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

const sleep = { text: 'SELECT 1 FROM pg_sleep(30)', values: [] };

/** Cancels what sleeps, and so its transaction. */
async function endSleep(failing: Promise<unknown>): Promise<void> {
  const ended = expect(failing).rejects.toThrow();
  await world.sql.query(`SELECT pg_cancel_backend(pid) ${sleeping}`);
  await ended;
}

const sleeping = `FROM pg_stat_activity WHERE datname = current_database() AND query = '${sleep.text}' AND state = 'active'`;

test.each([
  ['no name', {}, {}],
  ['a name', { application_name: 'mine' }, { application_name: 'mine' }],
  ['a name that PostgreSQL cuts', { application_name: 'm'.repeat(70) }, { application_name: 'm'.repeat(70) }],
  ['addresses that PgBouncer adds', { application_name: 'a - 10.0.0.5:1' }, { application_name: 'a - [fd00::1]:23' }],
  [
    'addresses of which PostgreSQL cuts the end',
    { application_name: 'interview-agents-api - [2600:1f18:1234:5678:9abc:def0:1234:567a]:54321' },
    { application_name: 'interview-agents-api - [2600:1f18:1234:5678:9abc:def0:1234:567b]:54321' },
  ],
])(
  'a statement that another server runs after its time limit is found, with %s in DATABASE_URL',
  async (_, ofOne, ofOther) => {
    const [one, other] = [open(ofOne), open(ofOther)];
    expect(await hasOverdueStatements(other.query)).toBe(false);
    const failing = one.transaction(async (query) => {
      // `statement_timeout` does not end a commit either.
      await query({ text: 'SET LOCAL statement_timeout = 0', values: [] });
      return await query(sleep);
    });
    try {
      await vi.waitUntil(() => hasOverdueStatements(other.query), { timeout: 60_000, interval: 20 });
    } finally {
      await endSleep(failing);
    }
    expect(await hasOverdueStatements(other.query)).toBe(false);
  },
);

/** What may take longer than a statement of a server, each begun with the URL of one. */
const longer = [
  ['a command', (url: string) => longTransaction(openUrl(url), (query) => query(sleep))],
  ['a command that reads', (url: string) => longRead(openUrl(url), (query) => query(sleep))],
  ['a migration', (url: string) => withMigrationLock(url, (client) => client.query(sleep.text))],
] as const;
const names = [{}, { application_name: 'mine' }];

test.for(longer.flatMap(([who, begin]) => names.map((parameters) => [who, parameters, begin] as const)))(
  'a statement of %s, which may take longer, is not taken for one of a server, with %o in DATABASE_URL',
  async ([, parameters, begin]) => {
    const server = open(parameters);
    const failing = begin(urlWith(parameters));
    const isOlder = async () =>
      (await world.sql.query(`SELECT ${sleeping} AND query_start < now() - interval '${2 * limit} milliseconds'`))
        .rowCount === 1;
    try {
      await vi.waitUntil(isOlder, { timeout: 60_000, interval: 20 });
      expect(await hasOverdueStatements(server.query)).toBe(false);
    } finally {
      await endSleep(failing);
    }
  },
);

test.each([
  ['read its answer', 'ClientWrite', longAnswer()],
  ['send its next message', 'ClientRead', halfBatch],
])('a session whose client does not %s is no statement that still runs', async (_, event, bytes) => {
  const server = open();
  const url = new URL(world.databaseUrl);
  url.searchParams.set('application_name', applicationName);
  url.searchParams.set('options', '-c statement_timeout=0');
  await openStuckClient(url.href, bytes);
  const waits = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND wait_event = $1
                    AND application_name = $2 AND query_start < now() - interval '${2 * limit} milliseconds'`;
  await vi.waitUntil(async () => (await world.sql.query(waits, [event, applicationName])).rowCount === 1, {
    timeout: 60_000,
    interval: 20,
  });
  expect(await hasOverdueStatements(server.query)).toBe(false);
});

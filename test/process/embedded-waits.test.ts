import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { openFoundation } from '../../src/process/foundation.ts';
import { run } from '../support/connection.ts';
import { openLink } from '../support/database-link.ts';
import { dataDir, expectRefusal, hold, kill, open, useEmbedded } from '../support/embedded.ts';
import { slowRecovery } from '../support/slow-recovery.ts';

useEmbedded();
beforeAll(async () => {
  const embedded = await open(dataDir, 'server');
  await run(embedded.url, 'CREATE TABLE kept AS SELECT 7 AS value');
  await embedded.close();
});

/** From now to the end of the test, each reading of a clock is an hour later than the one before. */
function hurry(clock: { now(): number }) {
  let ahead = 0;
  const now = clock.now.bind(clock);
  const hurried = vi.spyOn(clock, 'now').mockImplementation(() => {
    ahead += 3_600_000;
    return now() + ahead;
  });
  onTestFinished(() => hurried.mockRestore());
  return hurried;
}

test('a start and a stop take the time that they need while the clock of the machine is set forward', async () => {
  const hurried = hurry(Date);
  const embedded = await open(dataDir, 'server');
  expect(await run(embedded.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  await embedded.close();
  hurried.mockRestore();
});

test('a recovery that takes longer than a minute is waited for, which is said once; other starts and commands say that it goes on', async () => {
  const recovery = await slowRecovery(dataDir);
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => said.mockRestore());

  const opening = open(dataDir, 'server');
  const endRecovery = await recovery();
  const hurried = hurry(performance);
  const readings = () => hurried.mock.calls.length;
  await Promise.race([vi.waitUntil(() => readings() > 3, { timeout: 60_000, interval: 1 }), opening]);
  const busy = /\(it recovers from a crash or stops: the database system is [a-z ]+\): try again later$/;
  for (const role of ['server', 'operator'] as const) await expectRefusal(open(dataDir, role), busy);
  await endRecovery();
  const embedded = await opening;
  hurried.mockRestore();
  expect(said.mock.calls).toEqual([[expect.stringMatching(/^PostgreSQL in .* still recovers from a crash: [^\n]+$/)]]);
  expect(await run(embedded.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  await embedded.close();
});

/**
 * A program other than PostgreSQL that has a port.
 * @param onConnection what it does with each connection; by default, nothing
 */
async function otherProgram(onConnection?: (socket: Socket) => void) {
  const program = createServer(onConnection).listen(0, '127.0.0.1');
  onTestFinished(() => void program.close());
  await once(program, 'listening');
  const address = program.address();
  return { program, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

/** Closes a connection at its first bytes, as a server of TLS does. */
const hangUp = (socket: Socket) => void socket.once('data', () => socket.end());

/** Speaks first, as MySQL does, in bytes that are a whole message of no type that PostgreSQL has. */
const greet = (socket: Socket) => void socket.resume().write('\x4a\0\0\0\x0a8.0.36\0');

/** Writes a postmaster.pid of before a crash, whose process id another program has. Both are gone with the test. */
async function leaveFile(port: number, status: string): Promise<string> {
  const cluster = join(dataDir, 'postgres', 'cluster');
  const file = join(cluster, 'postmaster.pid');
  const { uid, gid } = await stat(cluster);
  const other = spawn('cat', { uid, gid });
  onTestFinished(async () => {
    await kill(other, 'SIGKILL');
    await rm(file, { force: true });
  });
  await writeFile(file, [other.pid, cluster, 0, port, '', '', '', status].join('\n'));
  return file;
}

test('what does not answer for ten seconds is asked again', async () => {
  const { program, port } = await otherProgram();
  const file = await leaveFile(port, 'ready');
  const asked = once(program, 'connection');
  const opening = open(dataDir, 'server');
  const [socket] = await asked;
  await once(socket.resume(), 'close');
  await rm(file);
  const embedded = await opening;
  expect(await run(embedded.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  await embedded.close();
});

const asOther =
  /\(what .* does not answer as PostgreSQL does\): if no PostgreSQL runs there, delete its postmaster.pid$/;

describe('a start that has waited for a minute is refused in one line', () => {
  test.each([
    ['starting', async () => 1, /\(connect ECONNREFUSED .*\): if no PostgreSQL runs there, delete its postmaster.pid$/],
    ['ready', async () => 1, /\(connect ECONNREFUSED .*\): if no PostgreSQL runs there, delete its postmaster.pid$/],
    ['and its port, and says nothing', async () => (await otherProgram()).port, asOther],
    ['and its port, and hangs up', async () => (await otherProgram(hangUp)).port, asOther],
    ['and its port, and speaks first', async () => (await otherProgram(greet)).port, asOther],
  ])(
    'that says when to delete a postmaster.pid of before a crash, whose process id another program has: %s',
    async (status, portOf, message) => {
      const file = await leaveFile(await portOf(), status);
      const hurried = hurry(performance);
      await expectRefusal(open(dataDir, 'server'), message);
      hurried.mockRestore();
      await rm(file);
    },
  );

  test('that leaves the file of a PostgreSQL that runs, while a command uses it', async () => {
    await hold(dataDir, 'operator');
    hurry(performance);
    await expectRefusal(open(dataDir, 'server'), /\(a command of the operator uses it\): try again later$/);
  });

  test('that leaves the file of a PostgreSQL that runs, and answers no statement', async () => {
    await leaveBehind('CREATE DATABASE');
    hurry(performance);
    await expectRefusal(open(dataDir, 'server'), /\(Query read timeout\): try again later$/);
  });
});

test('a start that gets no answer while it prepares the database is refused in one line', async () => {
  await leaveBehind('SET application_name = ');
  const opening = openFoundation(readConfig({ DATA_DIR: dataDir }), 'server');
  await expectRefusal(opening, /^StartError: the database did not answer in time: try again once it answers$/);
});

/** Leaves a PostgreSQL running that does not answer a statement with this text, and nothing after it, as with a disk that hangs. */
async function leaveBehind(text: string): Promise<void> {
  const { child, url } = await hold(dataDir, 'server');
  await kill(child, 'SIGKILL');
  const link = await openLink(url);
  link.freezeBehind(text);
  const file = join(dataDir, 'postgres', 'cluster', 'postmaster.pid');
  const lines = await readFile(file, 'utf8');
  await writeFile(file, lines.replace(`\n${new URL(url).port}\n`, `\n${new URL(link.url).port}\n`));
}

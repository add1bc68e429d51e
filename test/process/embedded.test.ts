import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { StartError } from '../../src/errors.ts';
import { run } from '../support/connection.ts';
import {
  answers,
  crash,
  dataDir,
  expectRefusal,
  folder,
  hold,
  kill,
  namesIn,
  open,
  ownersOf,
  release,
  useEmbedded,
} from '../support/embedded.ts';
import { eraseEmbedded } from '../support/erase-embedded.ts';

useEmbedded();

describe('one process', () => {
  test('finds its data at the next start', async () => {
    const first = await open(dataDir, 'server');
    await run(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await first.close();
    expect(await answers(first.url)).toBe(false);

    const second = await open(relative(process.cwd(), dataDir), 'server');
    const rows = await run(second.url, 'SELECT value FROM kept');
    await second.close();
    expect(rows).toEqual([{ value: 7 }]);
    expect([...first.notes, ...second.notes]).toEqual([]);
  });

  test('gets a durable database in UTF-8 that only this machine reaches, with a password', async () => {
    const embedded = await open(dataDir, 'server');
    const expected = {
      ...{ fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', server_encoding: 'UTF8' },
      ...{ listen_addresses: '127.0.0.1', unix_socket_directories: '', password_encryption: 'scram-sha-256' },
    };
    const rows = await run(embedded.url, 'SELECT name, setting FROM pg_settings');
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toMatchObject(expected);

    const wrong = new URL(embedded.url);
    wrong.password = 'wrong';
    await expect(run(wrong.href, 'SELECT')).rejects.toThrow('password authentication failed');
    expect((await stat(join(dataDir, 'postgres-password'))).mode & 0o777).toBe(0o600);
    await embedded.close();
  });

  test('leaves no partial cluster behind, and the log of its last start alone', async () => {
    for (let start = 0; start < 2; start += 1) await (await open(dataDir, 'server')).close();
    expect(await namesIn(dataDir)).toEqual(['cluster', 'postgres.log']);
    const log = await readFile(join(dataDir, 'postgres', 'postgres.log'), 'utf8');
    expect(log.match(/the log of the last start/g)).toHaveLength(1);
  });
});

describe('several processes', () => {
  test('a second server is refused in one line that names the directory', async () => {
    const server = await open(dataDir, 'server');
    const error = await open(dataDir, 'server').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartError);
    expect(String(error)).toMatch(/^StartError: DATA_DIR .*\/shared is in use by a running server: [^\n]+$/);
    expect(await answers(server.url)).toBe(true);
    await server.close();
  });

  test('an operator command alone starts PostgreSQL and stops it', async () => {
    const operator = await open(dataDir, 'operator');
    expect(await answers(operator.url)).toBe(true);
    await operator.close();
    expect(await answers(operator.url)).toBe(false);
  });

  test('an operator command beside a server uses its PostgreSQL, which only the server stops', async () => {
    const server = await open(dataDir, 'server');
    const [operator, another] = [await open(dataDir, 'operator'), await open(dataDir, 'operator')];
    expect([operator.url, another.url]).toEqual([server.url, server.url]);
    await operator.close();
    expect(await answers(server.url)).toBe(true);
    await server.close();
    expect(await answers(server.url)).toBe(false);
    await another.close();
  });

  test.each(['server', 'operator'] as const)(
    'a %s that comes while an operator command has started PostgreSQL waits until it has stopped it',
    async (role) => {
      const operator = await hold(dataDir, 'operator');
      const next = open(dataDir, role);
      const waiting = `SELECT FROM pg_stat_activity WHERE application_name = '${role} ${process.pid}'`;
      await vi.waitUntil(async () => (await run(operator.url, waiting)).length > 0, { timeout: 60_000, interval: 1 });
      await release(operator.child);
      const opened = await next;
      expect(opened.notes).toEqual([]);
      expect(await answers(opened.url)).toBe(true);
      await opened.close();
      expect(await answers(opened.url)).toBe(false);
    },
  );

  test('an operator command does not stop the PostgreSQL of a killed server', async () => {
    const killed = await hold(dataDir, 'server');
    await kill(killed.child, 'SIGKILL');
    const operator = await open(dataDir, 'operator');
    expect(operator.url).toBe(killed.url);
    await operator.close();
    expect(await answers(killed.url)).toBe(true);
  });

  test('a killed server leaves PostgreSQL running, and the next server adopts it and says so', async () => {
    const first = await hold(dataDir, 'server');
    await kill(first.child, 'SIGKILL');
    expect(await answers(first.url)).toBe(true);

    const next = await open(dataDir, 'server');
    expect(next.url).toBe(first.url);
    expect(next.notes).toEqual([expect.stringContaining('adopted the PostgreSQL that was left running')]);
    await next.close();
    expect(await answers(next.url)).toBe(false);
  });

  test('Ctrl-C ends the processes of the terminal, but not the PostgreSQL of a server', async () => {
    const { child, url } = await hold(dataDir, 'server', { detached: true });
    const ended = once(child, 'exit');
    process.kill(-(child.pid ?? 0), 'SIGINT');
    expect(await ended).toEqual([null, 'SIGINT']);
    expect(await answers(url)).toBe(true);
  });

  test('Ctrl-C ends an operator command and the PostgreSQL that it started', async () => {
    const { child, url } = await hold(dataDir, 'operator', { detached: true });
    const ended = once(child, 'exit');
    process.kill(-(child.pid ?? 0), 'SIGINT');
    await ended;
    await vi.waitUntil(async () => !(await answers(url)), { timeout: 60_000, interval: 10 });
  });

  test('concurrent first starts create one cluster, which each can use in turn', async () => {
    const fresh = join(folder, 'fresh');
    const urls = await Promise.all(
      (['server', 'operator', 'operator'] as const).map(async (role) => {
        const { child, url } = await hold(fresh, role);
        await release(child);
        return url;
      }),
    );
    for (const url of urls) expect(await answers(url)).toBe(false);
    expect(await namesIn(fresh)).toEqual(['cluster', 'postgres.log']);
    eraseEmbedded(fresh);
  });

  test('of two servers that start at the same moment one starts and the other is refused', async () => {
    const both = await Promise.allSettled([hold(dataDir, 'server'), hold(dataDir, 'server')]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    for (const result of both) {
      if (result.status === 'rejected') expect(String(result.reason)).toMatch(/is in use by a running server/);
      else await release(result.value.child);
    }
  });

  test('operator commands that start and end do not interrupt each other or the server', async () => {
    const visit = async (part: 'server' | 'operator') => {
      for (let round = 0; round < 3; round++) {
        const embedded = await open(dataDir, part);
        const rows = await run(embedded.url, 'SELECT pg_sleep(0.02), 1 AS one');
        expect(rows).toMatchObject([{ one: 1 }]);
        await embedded.close();
      }
    };
    await Promise.all([visit('operator'), visit('operator'), visit('operator')]);
    const server = await open(dataDir, 'server');
    await Promise.all([visit('operator'), visit('operator')]);
    expect(await answers(server.url)).toBe(true);
    await server.close();
  });

  test('after a crash inside PostgreSQL an operator command still does not stop the PostgreSQL of a server', async () => {
    const server = await open(dataDir, 'server');
    const before = await ownersOf(server.url);
    expect(before).toHaveLength(1);
    await crash(server.url);
    const operator = await open(dataDir, 'operator');
    await operator.close();
    expect(await answers(server.url)).toBe(true);
    const hasOwnerAgain = async () => {
      const owners = await ownersOf(server.url).catch(() => []);
      return owners.length === 1 && owners[0] !== before[0];
    };
    await vi.waitUntil(hasOwnerAgain, { timeout: 60_000, interval: 10 });
    await expectRefusal(open(dataDir, 'server'), /is in use by a running server/);
    await server.close();
    expect(await answers(server.url)).toBe(false);
  });
});

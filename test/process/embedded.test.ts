import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { eraseEmbedded } from '../../src/embedded-postgres/embedded.ts';
import { StartError } from '../../src/start-error.ts';
import { answers, crash, dataDir, folder, hold, isInUse, kill, open, release, run } from '../support/embedded.ts';

describe('one process', () => {
  test('finds at the next start what it stored', async () => {
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
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      server_encoding: 'UTF8',
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      password_encryption: 'scram-sha-256',
    };
    const rows = await run(embedded.url, 'SELECT name, setting FROM pg_settings');
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toMatchObject(expected);

    const wrong = new URL(embedded.url);
    wrong.password = 'wrong';
    await expect(run(wrong.href, 'SELECT')).rejects.toThrow('password authentication failed');
    expect((await stat(join(dataDir, 'postgres-password'))).mode & 0o777).toBe(0o600);
    await embedded.close();
  });

  test('leaves no draft behind, and a log that stays small', async () => {
    const names = await readdir(join(dataDir, 'postgres'));
    expect(names.toSorted()).toEqual(['cluster', 'postgres.log']);
    expect((await stat(join(dataDir, 'postgres', 'postgres.log'))).size).toBeLessThan(1_000);
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

  test('an operator alone starts PostgreSQL and stops it', async () => {
    const operator = await open(dataDir, 'operator');
    expect(await answers(operator.url)).toBe(true);
    await operator.close();
    expect(await answers(operator.url)).toBe(false);
  });

  test.each(['server', 'operator'] as const)('whoever leaves last stops PostgreSQL: the %s', async (last) => {
    const both = { server: await open(dataDir, 'server'), operator: await open(dataDir, 'operator') };
    expect(both.operator.url).toBe(both.server.url);
    await both[last === 'server' ? 'operator' : 'server'].close();
    expect(await answers(both.server.url)).toBe(true);
    await both[last].close();
    expect(await answers(both.server.url)).toBe(false);
  });

  test('a server that was killed leaves PostgreSQL running; the next one adopts it and says so', async () => {
    const first = await hold(dataDir, 'server');
    await kill(first.child, 'SIGKILL');
    expect(await answers(first.url)).toBe(true);

    const next = await open(dataDir, 'server');
    expect(next.url).toBe(first.url);
    expect(next.notes).toEqual([expect.stringContaining('adopted the PostgreSQL that was left running')]);
    await next.close();
    expect(await answers(next.url)).toBe(false);
  });

  test('Ctrl-C ends the processes of the terminal, not PostgreSQL', async () => {
    const { child, url } = await hold(dataDir, 'server', { detached: true });
    const ended = once(child, 'exit');
    process.kill(-(child.pid ?? 0), 'SIGINT');
    expect(await ended).toEqual([null, 'SIGINT']);
    expect(await answers(url)).toBe(true);
  });

  test('first starts at the same moment end with one cluster', async () => {
    const fresh = join(folder, 'fresh');
    const parts = ['server', 'operator', 'operator'] as const;
    const all = await Promise.all(parts.map((part) => hold(fresh, part)));
    expect(new Set(all.map(({ url }) => url)).size).toBe(1);
    expect(all.flatMap(({ notes }) => notes)).toEqual([]);
    await Promise.all(all.map(({ child }) => release(child)));
    expect(await answers(all[0]?.url ?? '')).toBe(false);
    expect((await readdir(join(fresh, 'postgres'))).toSorted()).toEqual(['cluster', 'postgres.log']);
    await eraseEmbedded(fresh);
  });

  test('whoever is in is never cut off by others who come and go', async () => {
    const visit = async (part: 'server' | 'operator') => {
      for (let round = 0; round < 6; round++) {
        const embedded = await open(dataDir, part);
        const rows = await run(embedded.url, 'SELECT pg_sleep(0.02), 1 AS one');
        expect(rows).toMatchObject([{ one: 1 }]);
        await embedded.close();
      }
    };
    await Promise.all([visit('server'), visit('operator'), visit('operator')]);
  });

  test('after a crash inside PostgreSQL an operator still leaves it to the server', async () => {
    const server = await open(dataDir, 'server');
    await crash(server.url);
    await vi.waitUntil(() => isInUse(server.url), { timeout: 10_000 });

    const operator = await open(dataDir, 'operator');
    await operator.close();
    expect(await answers(server.url)).toBe(true);
    await server.close();
    expect(await answers(server.url)).toBe(false);
  });
});

import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { environmentSchema, readConfig } from '../../src/config.ts';
import { databaseUrlFaults } from '../../src/database/url.ts';
import { StartError } from '../../src/errors.ts';
import { addEnvironmentFile } from '../../src/process/environment-file.ts';
import { makeFolder } from '../support/process.ts';

const names = Object.keys(environmentSchema.properties);
const [checkout, withoutFile] = [process.cwd(), await makeFolder(afterAll)];

/** The notes on variables of the environment, without those on a developer's `.env`. */
function notesOn(...written: string[]): string[] {
  process.chdir(withoutFile);
  try {
    return addEnvironmentFile(Object.fromEntries(written.map((name) => [name, 'x'])));
  } finally {
    process.chdir(checkout);
  }
}

describe('a misspelt variable of the environment', () => {
  test.each([
    ['RATE_LIMT_PER_MINUTE', 'RATE_LIMIT_PER_MINUTE'],
    ['API_KEY_SECRETS', 'API_KEY_SECRET'],
    ['DATABSE_URL', 'DATABASE_URL'],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['log_level', 'LOG_LEVEL'],
    ['Port', 'PORT'],
    ['PROT', 'PORT'],
    ['HOTS', 'HOST'],
  ])('%s is reported with the intended name, %s', (written, meant) => {
    expect(notesOn(written)).toEqual([`${written} is no variable of this program: did you mean ${meant}?`]);
  });

  test('is not reported if a shell, a container or another program uses the name, or the server does', () => {
    const theirs = ['HOME', 'HOSTNAME', 'PATH', 'PWD', 'USER', 'SHELL', 'TERM', 'LANG', 'LOGNAME', 'NODE_OPTIONS'];
    const ofContainers = ['REDIS_PORT', 'DATABASE_PORT', 'PGHOST', 'POSTGRES_PASSWORD', 'TEST_DATABASE_URL'];
    expect(notesOn(...names, ...theirs, ...ofContainers)).toEqual([]);
  });
});

describe('a parameter of DATABASE_URL', () => {
  const url = (query: string) => `postgresql://me:pa55word@host:5432/db?${query}`;
  test.each([
    ['schema=tenant', 'schema in DATABASE_URL must be public'],
    [
      'sslmode=allow',
      'sslmode in DATABASE_URL must be one of disable, prefer, require, verify-ca, verify-full, no-verify',
    ],
    ['sslmode=', 'sslmode in DATABASE_URL must be one of disable, prefer, require, verify-ca, verify-full, no-verify'],
    ['port=abc', 'port in DATABASE_URL must be a whole number from 0 to 65535'],
    ['port=65536', 'port in DATABASE_URL must be a whole number from 0 to 65535'],
    ['port=', 'port in DATABASE_URL must be a whole number from 0 to 65535'],
    ['ssl=yes', 'ssl in DATABASE_URL must be one of true, 1, 0'],
    ['connection_limit=5', 'connection_limit in DATABASE_URL is not supported: set DATABASE_POOL'],
    ['pgbouncer=true', 'pgbouncer in DATABASE_URL is not supported: set DATABASE_PREPARED_STATEMENTS'],
    ['channel_binding=require', 'channel_binding in DATABASE_URL is not supported'],
    ['constructor=1', 'constructor in DATABASE_URL is not supported'],
  ])('%s is refused by name', (query, fault) => {
    expect(() => readConfig({ DATABASE_URL: url(query) })).toThrow(new StartError(fault));
  });

  test.each([
    ['sslmode=require', 'sslmode=verify-full'],
    ['ssl=1&sslmode=prefer&sslrootcert=/ca.pem', 'ssl=1&sslmode=verify-full&sslrootcert=/ca.pem'],
    ['sslmode=verify-ca&sslmode=require', 'sslmode=verify-full&sslmode=verify-full'],
    ['sslmode=require&uselibpqcompat=true', 'sslmode=require&uselibpqcompat=true'],
    ['sslmode=disable&application_name=require', 'sslmode=disable&application_name=require'],
  ])('%s reaches the driver as %s, at which it prints no warning of its own', (given, passed) => {
    expect(readConfig({ DATABASE_URL: url(given) }).DATABASE_URL).toBe(url(passed));
  });

  test('each of several faulty ones is named, also if a parameter sets the host', () => {
    expect(databaseUrlFaults('postgresql://me@/db?host=/run/postgresql&schema=a&sslmode=b')).toHaveLength(2);
  });

  test.each([
    '',
    'schema=public',
    'sslmode=verify-full&sslrootcert=/etc/ca.pem&sslcert=/etc/me.pem&sslkey=/etc/me.key',
    'sslmode=no-verify',
    'host=/run/postgresql&application_name=mine',
  ])('%s is accepted', (query) => {
    expect(readConfig({ DATABASE_URL: url(query) }).DATABASE_URL).toBe(url(query));
  });

  test('text that is no URL is not repeated in the error', () => {
    expect(databaseUrlFaults('postgresql://me:pa?ss=word@host/db')).toEqual([]);
  });
});

describe('REDIS_URL', () => {
  const form =
    'REDIS_URL must be a URL redis://user:password@host:port, with /0 or another number of a database behind it';
  test.each([
    ['redis://me:pa55word@host:99999', form],
    ['redis://me:pa55word@host:port', form],
    ['redis://me:pa55#word@host', form],
    ['redis://me:pa55%word@host', form],
    ['redis://my host:6379', form],
    ['redis://me:pa55word@host/cache', form],
    ['redis://me:pa55word@host/-1', form],
    ['redis://me:pa55word@host/0#main', form],
    ['redis://me:pa55word@host?commandTimeout=60000', 'commandTimeout in REDIS_URL is not supported'],
    ['redis://me:pa55word@host/0?db=3', 'db in REDIS_URL is not supported'],
    ['redis://me:pa55word@host?family=5', 'family in REDIS_URL must be one of 0, 4, 6'],
  ])('%s is refused by name, and not shown', (url, fault) => {
    expect(() => readConfig({ REDIS_URL: url })).toThrow(new StartError(fault));
  });

  test.each([
    'redis://host',
    'redis://host/',
    'rediss://me:pa%2355word@host:6380/15?family=0',
    'redis://:pa55word@[::1]:6379/3',
  ])('%s is accepted', (url) => {
    expect(readConfig({ REDIS_URL: url }).REDIS_URL).toBe(url);
  });
});

test('docs/operate.md names every parameter of DATABASE_URL that is supported', async () => {
  const page = await readFile('docs/operate.md', 'utf8');
  for (const name of ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'schema', 'host', 'application_name', 'options'])
    expect(page).toContain(`\`${name}\``);
});

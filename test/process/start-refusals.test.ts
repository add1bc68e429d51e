import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { environmentSchema, readConfig } from '../../src/config.ts';
import { migrationNames } from '../../src/database/migrate.ts';
import { roleSettings } from '../../src/database/settings.ts';
import { StartError } from '../../src/errors.ts';
import { run } from '../support/connection.ts';
import { withDatabase } from '../support/global-setup.ts';
import { send } from '../support/http.ts';
import {
  build,
  makeDataDir,
  makeFolder,
  postgresPid,
  refusedStart,
  runProgram,
  startServer,
} from '../support/process.ts';
import { repeatedIfLate } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const migrateProgram = join(import.meta.dirname, '..', '..', 'dist', 'migrate.js');

const world = await openWorld();

beforeAll(build);

const refused = (line: string | RegExp) => ({ code: 1, stdout: '', stderr: expect.stringMatching(line) });

describe('an invalid variable', () => {
  const wholeNumber = (from: number, to: number) => `must be a whole number from ${from} to ${to}`;
  const url = 'must be a URL postgresql://user:password@host:port/database';
  const secret = 'must be at least 32 bytes, as `openssl rand -hex 32` makes them';
  test.each<[name: string, value: string, expected: string]>([
    ...['http', '65536', '-1', '80.5', '1e3', '0x10', 'true', ' 80', '9'.repeat(30)].map(
      (value): [string, string, string] => ['PORT', value, wholeNumber(0, 65_535)],
    ),
    ['DATABASE_POOL', '0', wholeNumber(1, 1000)],
    ['SHUTDOWN_GRACE_SECONDS', 'soon', wholeNumber(0, 3600)],
    ['DATABASE_URL', 'mysql://user:password@host/database', url],
    ['DATABASE_URL', 'localhost', url],
    ['API_KEY_SECRET', 'é'.repeat(15), secret],
    ...['RATE_LIMIT_PER_MINUTE', 'RATE_LIMIT_PER_HOUR', 'RATE_LIMIT_REFUSED_PER_MINUTE'].map(
      (name): [string, string, string] => [name, 'none', wholeNumber(0, 999_999_999)],
    ),
    ['REDIS_URL', 'localhost:6379', 'must be a URL redis://user:password@host:port'],
    ['API_KEY_SECRET_PREVIOUS', 'é'.repeat(15), secret],
    ...['localhost', '10.0.0.0/33', '10.0.0.1,', '010.0.0.1', '10.1', 'fe80::1%eth0', 'true', '1'].map(
      (value): [string, string, string] => [
        'TRUST_PROXY',
        value,
        'must be addresses and CIDR blocks separated by commas, like 10.0.0.1,2001:db8::/32',
      ],
    ),
    [
      'WEBHOOK_ALLOW_NETWORKS',
      'hooks.internal',
      'must be addresses and CIDR blocks separated by commas, like 10.0.0.1,2001:db8::/32',
    ],
    ['WEBHOOK_ALLOW_HTTP', 'yes', 'must be true or false'],
    ...[
      ...[
        'api.example.com',
        '//api.example.com',
        '/prefix',
        'ftp://api.example.com',
        'https://',
        'https://:80',
        'https://a b',
      ],
      ...['https://user@api.example.com', 'https://user:password@api.example.com', 'https://api.example.com?a=1'],
      ...[
        'https://api.example.com/#top',
        'https://api.example.com//other.example',
        'https://a/b//c',
        'https://a:99999',
      ],
      ...['https://a/b\\c', 'https://a/\n', 'https://[::1', ' https://a'],
    ].map((value): [string, string, string] => [
      'PUBLIC_URL',
      value,
      'must be a URL http://host/prefix or https://host/prefix, without user, query and fragment',
    ]),
    ['LOG_LEVEL', 'loud', 'must be one of fatal, error, warn, info, debug, trace, silent'],
    ['DOCS', 'yes', 'must be true or false'],
  ])('%s=%s is refused with its name and what is expected', (name, value, expected) => {
    expect(() => readConfig({ [name]: value })).toThrow(new StartError(`${name} ${expected}`));
  });

  test('missing ones in production are refused, each by its name', () => {
    const missing = 'must be set when NODE_ENV=production';
    expect(() => readConfig({ NODE_ENV: 'production' })).toThrow(
      new StartError(`DATABASE_URL ${missing}; API_KEY_SECRET ${missing}`),
    );
    const whole = { NODE_ENV: 'production', DATABASE_URL: 'postgres://db', API_KEY_SECRET: 's'.repeat(32) };
    expect(readConfig(whole)).toMatchObject(whole);
  });

  test('ends the start with one line on stderr without the value, and exit code 1', async () => {
    const outcome = await refusedStart({ PORT: 'secret-port', API_KEY_SECRET: 'secret', NODE_ENV: 'production' });
    expect(outcome).toEqual(refused(/^PORT must be a whole number from 0 to 65535\n$/));
  });
});

describe('an impossible start', () => {
  test('on a DATA_DIR or PORT in use ends with one line and exit code 1, and leaves no PostgreSQL running', async () => {
    const [dataDir, otherDataDir] = [await makeDataDir(), await makeDataDir()];
    const { origin } = await startServer({ DATA_DIR: dataDir });
    const [second, taken] = await Promise.all([
      refusedStart({ DATA_DIR: dataDir, PORT: '0' }),
      refusedStart({ DATA_DIR: otherDataDir, PORT: new URL(origin).port }),
    ]);
    expect(second).toEqual(refused(/^DATA_DIR \S+\/data is in use by a running server: [^\n]+\n$/));
    expect(taken).toEqual(refused(/^PORT \d+ on 127\.0\.0\.1 is taken by another program: [^\n]+\n$/));
    expect(await postgresPid(otherDataDir)).toBeUndefined();
    const ready = await repeatedIfLate(() => send(origin, { method: 'GET', path: '/health/ready' }));
    expect(ready).toMatchObject({ status: 200 });
  });

  test('on an address that this machine does not have ends with one line that names HOST', async () => {
    const env = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, PORT: '0' };
    const hosts = ['192.0.2.1', 'no-such-host.invalid', 'fe80::1'];
    for (const outcome of await Promise.all(hosts.map((HOST) => refusedStart({ ...env, HOST }))))
      expect(outcome).toEqual(refused(/^HOST \S+ is not an address of [^\n]+\n$/));
  });

  test('on a DATABASE_URL without all migrations or settings is refused until npm run migrate has run', async () => {
    const name = `unmigrated_${process.pid}_${Date.now()}`;
    await run(inject('serverUrl'), `CREATE DATABASE ${name}`);
    onTestFinished(async () => {
      await run(inject('serverUrl'), `DROP DATABASE ${name} WITH (FORCE)`);
    });
    const DATABASE_URL = withDatabase(inject('serverUrl'), name);
    const [first = ''] = await migrationNames();
    const lacking = new RegExp(
      `^DATABASE_URL lacks migrations \\(${first}.*\\): run npm run migrate as the owner of the tables\\n$`,
    );
    expect(await refusedStart({ DATABASE_URL, PORT: '0' })).toEqual(refused(lacking));

    const migration = await runProgram([migrateProgram], { env: { DATABASE_URL } });
    expect(migration).toMatchObject({ code: 0, stdout: expect.stringContaining(`applied ${first}\n`) });
    await run(DATABASE_URL, `ALTER ROLE CURRENT_USER IN DATABASE ${name} RESET lock_timeout`);
    const expected = roleSettings['lock_timeout'];
    const unset = `^DATABASE_URL: lock_timeout is 0, expected ${expected}: run npm run migrate as this role\n$`;
    expect(await refusedStart({ DATABASE_URL, PORT: '0' })).toEqual(refused(unset));
  });

  test('on a DATABASE_URL without a server ends with one line without the password', async () => {
    const outcome = await refusedStart({ DATABASE_URL: 'postgresql://me:pa55word@127.0.0.1:1/db', PORT: '0' });
    expect(outcome).toEqual(refused(/^the database cannot be reached: [^\n]*ECONNREFUSED[^\n]*\n$/));
    expect(outcome.stderr).not.toContain('pa55word');
  });

  test('on a database that lets it wait too long: one line without the text of a library', async () => {
    const holder = await world.sql.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE _prisma_migrations');
      const outcome = await refusedStart({ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, PORT: '0' });
      expect(outcome).toEqual(refused(/^another transaction holds a lock that the command needs: try again later\n$/));
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
  });
});

describe('a file .env', () => {
  test('in the working directory is read, the variables of the process have precedence, and with DATABASE_URL there is no demo', async () => {
    const folder = await makeFolder();
    const lines = [`DATABASE_URL=${world.databaseUrl}`, `API_KEY_SECRET="${world.secret}"`, 'HOST=127.0.0.2', 'PORT=x'];
    await writeFile(join(folder, '.env'), `# a comment\n${lines.join('\n')}\n`);
    const { server, origin } = await startServer({ PORT: '0', NODE_ENV: 'production' }, { cwd: folder });
    expect(origin).toMatch(/^http:\/\/127\.0\.0\.2:\d+$/);
    const { id, key } = await world.company();
    const agent = await world.agent(id);
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const answer = await repeatedIfLate(() => send(origin, { path: `/agents/${agent.id}`, headers, body: '{}' }));
    expect(answer).toMatchObject({ status: 200 });
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.stdout).not.toContain('curl');
  });

  test('.env.example lists exactly the variables of the schema, with their defaults', async () => {
    const text = await readFile(join(import.meta.dirname, '..', '..', '.env.example'), 'utf8');
    const { properties } = environmentSchema;
    const defaults = Object.entries(properties).map(([name, schema]) => [name, String(schema.default ?? '')]);
    expect(text.match(/^\w+(?==)/gm)).toEqual(Object.keys(properties));
    expect(parseEnv(text)).toEqual(Object.fromEntries(defaults));
    expect(readConfig(parseEnv(text))).toEqual(readConfig({}));
    for (const { description } of Object.values(properties)) expect(text).toContain(`# ${description}`);
  });
});

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type pg from 'pg';
import { expect, inject, onTestFinished, test, vi } from 'vitest';
import { withClient } from '../../src/database/session.ts';
import { StartError } from '../../src/errors.ts';
import { run } from '../support/connection.ts';
import { openLink } from '../support/database-link.ts';
import { makeFolder } from '../support/process.ts';

/** A program that is not the PostgreSQL that one meant. @returns its URL */
async function listening(serve: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `postgresql://user:password@127.0.0.1:${(server.address() as AddressInfo).port}/agents`;
}

/** A message of PostgreSQL about authentication. */
function authentication(kind: number, text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(9);
  head.write('R');
  head.writeInt32BE(8 + body.length, 1);
  head.writeInt32BE(kind, 5);
  return Buffer.concat([head, body]);
}

/** The message with which PostgreSQL, or a pooler, refuses a connection. */
function refusal(state: string, text: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C${state}\0M${text}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}

const answering = (answer: string | Buffer) => listening((socket) => socket.once('data', () => socket.end(answer)));

const asking = async () => {
  const url = await listening((socket) => {
    socket.once('data', () => {
      socket.write(authentication(10, 'SCRAM-SHA-256\0\0'));
      socket.once('data', () => socket.write(authentication(11, 'r=nonce')));
    });
  });
  return url.replace(':password', '');
};

const unreachable = 'the database cannot be reached: ';
const options = 'options in DATABASE_URL has a name or a value that the database does not accept';
const inOptions = (text: string) => async () => {
  const url = new URL(inject('serverUrl'));
  url.searchParams.set('options', text);
  return url.href;
};
const tls = async (parameters: string) => `${await answering('S')}?sslmode=verify-full&${parameters}`;

test.for<[string, () => Promise<string>, string]>([
  [
    'another program',
    () => answering('HTTP/1.1 400 Bad Request\r\n\r\n'),
    `${unreachable}what listens at its address closed the connection: it may not be PostgreSQL`,
  ],
  [
    'another program, asked for TLS',
    async () => `${await answering('HTTP/1.1 400 Bad Request\r\n\r\n')}?sslmode=verify-full`,
    `${unreachable}what listens at its address may not be PostgreSQL`,
  ],
  [
    'a database without TLS',
    async () => `${await answering('N')}?sslmode=verify-full`,
    `${unreachable}it has no TLS, which DATABASE_URL asks for: see sslmode`,
  ],
  ['a password that is missing', asking, `${unreachable}it asks for a password, and DATABASE_URL has none`],
  [
    'a file that is missing',
    async () => await tls(`sslrootcert=${join(await makeFolder(), 'ca.pem')}`),
    `${unreachable}a file that sslrootcert, sslcert or sslkey names cannot be read (ENOENT)`,
  ],
  [
    'a folder in place of a file',
    async () => await tls(`sslrootcert=${await makeFolder()}`),
    `${unreachable}a file that sslrootcert, sslcert or sslkey names cannot be read (EISDIR)`,
  ],
  [
    'a file that is no key',
    async () => {
      const file = join(await makeFolder(), 'key.pem');
      await writeFile(file, 'no key');
      return await tls(`sslkey=${file}&sslcert=${file}`);
    },
    `${unreachable}a file that sslrootcert, sslcert or sslkey names has no valid PEM (ERR_OSSL_PEM_NO_START_LINE)`,
  ],
  [
    'a role that may not log in',
    async () => {
      const role = `nologin_${randomUUID().replaceAll('-', '')}`;
      onTestFinished(() => run(inject('serverUrl'), `DROP ROLE ${role}`).then(() => {}));
      await run(inject('serverUrl'), `CREATE ROLE ${role} NOLOGIN PASSWORD 'right'`);
      return Object.assign(new URL(inject('serverUrl')), { username: role, password: 'right' }).href;
    },
    'the database refuses the user or the password of DATABASE_URL, or does not admit this connection: its pg_hba.conf may ' +
      'lack the user, the host or the database, or ask for TLS (sslmode=verify-full in DATABASE_URL) or a certificate ' +
      '(sslcert, sslkey), or the user may not log in',
  ],
  [
    'a pooler that refuses the connection',
    () => answering(refusal('08P01', 'unsupported startup parameter: options')),
    'a pooler, or what else answers for the database, refused or ended the connection, and its log says why: the ' +
      'database or the user may be unknown there, or options, in DATABASE_URL or PGOPTIONS, not be allowed',
  ],
  ['a setting that does not exist', inOptions('-c no_such_setting=1'), `${options} (SQLSTATE 42704)`],
  ['a value that no setting has', inOptions('-c work_mem=much'), `${options} (SQLSTATE 22023)`],
  ['options that are none', inOptions('nonsense'), `${options} (SQLSTATE 42601)`],
])('a sentence of the server, not of a library, tells of %s', async ([, urlOf, reason]) => {
  const outcome = withClient(await urlOf(), async () => {});
  await expect(outcome).rejects.toThrow(new StartError(reason));
});

test('a host that does not answer is given up after 10 s', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  let hasConnected = () => {};
  const connected = new Promise<void>((resolve) => {
    hasConnected = resolve;
  });
  const url = await listening(() => hasConnected());
  let error: unknown;
  const ended = withClient(url, async () => {}).catch((reason: unknown) => {
    error = reason;
  });
  await connected;
  await vi.advanceTimersByTimeAsync(9_999);
  expect(error).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  await ended;
  expect(error).toEqual(new StartError(`${unreachable}its host does not answer`));
});

test('a network that is lost after the last answer holds a task up for no longer than a connection', async () => {
  const link = await openLink(inject('serverUrl'));
  const task = async (client: pg.Client) => {
    const { rows } = await client.query('SELECT 1 AS one');
    link.freeze();
    return rows;
  };
  expect(await withClient(link.url, task, { connectionTimeoutMillis: 3_000 })).toEqual([{ one: 1 }]);
  expect(link.isIdle()).toBe(false);
});

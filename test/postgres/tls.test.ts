import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chown, copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { run } from '../support/connection.ts';
import { openCluster } from '../support/debian-postgres.ts';
import { send } from '../support/http.ts';
import { build, makeFolder, runProgram, startServer } from '../support/process.ts';

const serverProgram = join(import.meta.dirname, '..', '..', 'dist', 'server.js');

beforeAll(build);

/** A certificate authority and a certificate for 127.0.0.1 that it signed, alone and with its chain. */
async function makeCertificates(folder: string) {
  const file = (name: string) => join(folder, name);
  const openssl = (...parameters: string[]) => execFileSync('openssl', parameters, { cwd: folder, stdio: 'ignore' });
  const certificate = (name: string, subject: string) =>
    openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${subject}`, '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', `${name}.key`, '-out', `${name}.pem`],
    );
  certificate('authority', 'Authority of a test');
  certificate('self-signed', 'database');
  openssl(
    ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=database'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', 'signed.key', '-out', 'signed.csr'],
  );
  openssl(
    ...['x509', '-req', '-in', 'signed.csr', '-days', '2', '-copy_extensions', 'copy', '-CAcreateserial'],
    ...['-CA', 'authority.pem', '-CAkey', 'authority.key', '-out', 'signed.pem'],
  );
  const parts = await Promise.all(['signed.pem', 'authority.pem'].map((name) => readFile(file(name), 'utf8')));
  await writeFile(file('chain.pem'), parts.join(''));
  return [
    { pem: file('self-signed.pem'), key: file('self-signed.key'), authority: file('self-signed.pem') },
    { pem: file('signed.pem'), key: file('signed.key'), authority: file('authority.pem') },
    { pem: file('chain.pem'), key: file('signed.key'), authority: file('authority.pem') },
  ];
}

test('a certificate of a private authority is refused with a hint at sslrootcert, and accepted with its file', async () => {
  const urlOf = await openCluster();
  const url = urlOf('postgres', 'postgres');
  await migrate(url);
  const [{ data_directory: data = '' } = {}] = await run(url, 'SHOW data_directory');
  const { uid, gid } = await stat(String(data));
  const install = async (from: string, name: string) => {
    await copyFile(from, join(String(data), name));
    await chown(join(String(data), name), uid, gid);
  };
  const secret = { API_KEY_SECRET: randomUUID().repeat(2) };
  const certificates = await makeCertificates(await makeFolder());
  for (const { pem, key, authority } of certificates) {
    await install(key, 'server.key');
    await install(pem, 'server.crt');
    await run(url, "ALTER SYSTEM SET ssl = 'on'");
    const loaded = async () => (await run(url, 'SELECT pg_conf_load_time()::text AS at'))[0]?.['at'];
    const before = await loaded();
    await run(url, 'SELECT pg_reload_conf()');
    await vi.waitUntil(async () => (await loaded()) !== before, { timeout: 60_000, interval: 20 });

    const DATABASE_URL = `${url}?sslmode=verify-full`;
    const outcome = await runProgram([serverProgram], { env: { DATABASE_URL, PORT: '0', ...secret } });
    expect(outcome).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^the database cannot be reached: [^\n]+ certificate[^\n]*: name the file of its certificate authority in DATABASE_URL, as sslrootcert=\/path\/to\/ca\.pem\n$/,
      ),
    });
    const withAuthority = `${DATABASE_URL}&sslrootcert=${encodeURIComponent(authority)}`;
    const { server, origin } = await startServer({ DATABASE_URL: withAuthority, ...secret });
    expect(await send(origin, { method: 'GET', path: '/health/ready' })).toMatchObject({ status: 200 });
    const sessions =
      "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'interview-agents-api'";
    expect(await run(url, sessions)).toEqual([{ ssl: true }]);
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
  }
});

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { adminWith } from '../support/admin.ts';
import { run } from '../support/connection.ts';
import { openLink } from '../support/database-link.ts';
import { openPair } from '../support/debian-postgres.ts';
import { send } from '../support/http.ts';
import { build, runProgram, startServer } from '../support/process.ts';

const program = join(import.meta.dirname, '..', '..', 'dist', 'migrate.js');

beforeAll(build);

test('after a switchover no connection stays with the read-only PostgreSQL, not even that of the metrics: one request is 503, then requests are served without a restart', async () => {
  const { primary, standby } = await openPair();
  const [old, promoted] = [primary, standby].map(({ url }) => url('postgres', 'postgres'));
  const env = { DATABASE_URL: primary.url('postgres', 'postgres'), API_KEY_SECRET: randomUUID().repeat(2) };
  expect(await runProgram([program], { env })).toMatchObject({ code: 0 });
  const { id: company } = await adminWith(env, 'company', 'create', '--name', 'Acme');
  const { key } = await adminWith(env, 'key', 'create', '--company', company);
  const { key: another } = await adminWith(env, 'key', 'create', '--company', company);
  const { id } = await adminWith(env, 'agent', 'create', '--company', company, '--name', 'Interviewer');
  const link = await openLink(env.DATABASE_URL);
  const limits = { RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0' };
  const METRICS_PORT = String(await freePort());
  // Webhooks are claimed each second: the refusal of that, too, would make the server leave its connections.
  const settings = { ...limits, METRICS_PORT, WEBHOOKS: 'false' };
  const { origin } = await startServer({ ...env, ...settings, DATABASE_URL: link.url });
  const scrape = () => send(`http://127.0.0.1:${METRICS_PORT}`, { method: 'GET', path: '/metrics' });
  const get = (path: string, by = key) =>
    send(origin, { method: 'GET', path, headers: { authorization: `Bearer ${by}` } });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const change = (body: object) => send(origin, { path: `/agents/${id}`, headers, body: JSON.stringify(body) });
  const sessions = async (url = '') =>
    Number(
      (await run(url, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'interview-%'"))[0]?.count,
    );
  /** Sends reads until the server has several sessions there. Of each key two lists run at once. */
  const fill = (url = '') => {
    const read = async () => {
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, at) => get('/agents?limit=100', at % 2 ? key : another)),
      );
      return answers.every(({ status }) => status === 200) && (await sessions(url)) >= 3;
    };
    return vi.waitUntil(read, { timeout: 60_000, interval: 20 });
  };
  expect(await change({ duration: 31 })).toMatchObject({ status: 200, headers: { etag: '"2"' } });

  primary.stop();
  const down = await change({ duration: 32 });
  expect(down).toMatchObject({ status: 503, body: { code: 'DATABASE_UNAVAILABLE' } });
  standby.promote();
  await primary.follow(standby.url('postgres', 'postgres'));
  primary.start();
  // The address still leads to the demoted primary, which answers reads.
  await fill(old);
  expect(await change({ duration: 33 })).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });

  await fill(old);
  expect((await scrape()).text).toContain('interview_agents_database_up 1');
  link.leadTo(promoted ?? '');
  const answers = [await change({ duration: 34 }), await change({ duration: 35 }), await change({ duration: 36 })];
  expect(answers.map(({ status, headers: { etag } }) => [status, etag])).toEqual([
    [503, undefined],
    [200, '"3"'],
    [200, '"4"'],
  ]);
  await vi.waitUntil(async () => (await sessions(old)) === 0, { timeout: 60_000, interval: 100 });

  link.leadTo(old ?? '');
  await run(
    promoted ?? '',
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'interview-%'",
  );
  await fill(old);
  link.leadTo(promoted ?? '');
  const ready = [await get('/health/ready'), await get('/health/ready')];
  expect(ready.map(({ status }) => status)).toEqual([503, 200]);
  expect(await change({ duration: 37 })).toMatchObject({ status: 200, headers: { etag: '"5"' } });
  await vi.waitUntil(async () => (await sessions(old)) === 0, { timeout: 60_000, interval: 100 });
});

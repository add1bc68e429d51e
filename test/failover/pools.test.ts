import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { connect, run } from '../support/connection.ts';
import { send } from '../support/http.ts';
import { startUnlimited } from '../support/kept-client.ts';
import { build } from '../support/process.ts';
import { tickedTime } from '../support/ticks.ts';
import { makeCompany } from '../trust/support/own-company.ts';
import { startCluster } from './support/cluster.ts';

build();
const cluster = await startCluster();
const pools = [2, 10, 50];
/** The most milliseconds between the promotion and the next answer of a server. */
const soon = 5_000;

test('servers with 2, 10 and 50 open connections to a lost primary answer within 5 s of the promotion', async () => {
  const { primary, standby } = await cluster.whole();
  // One key can run two lists at once.
  const keys: string[] = [];
  while (keys.length < 25) keys.push((await makeCompany(cluster.ownerUrl, cluster.secret)).key);
  const servers = await Promise.all(
    pools.map(async (size) => {
      const { origin } = await startUnlimited(cluster, { DATABASE_POOL: String(size) });
      return { size, origin };
    }),
  );
  const read = async (origin: string, at = 0) => {
    const headers = { authorization: `Bearer ${keys[at % keys.length]}` };
    return (await send(origin, { method: 'GET', path: '/phone-numbers', headers })).status;
  };
  const burst = () =>
    Promise.all(servers.flatMap(({ size, origin }) => Array.from({ length: size }, (_, at) => read(origin, at))));
  const holder = await connect(cluster.ownerUrl);
  await holder.query(
    'SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE company_phone_number IN ACCESS EXCLUSIVE MODE',
  );
  // Each list uses a connection until it is answered.
  const full = cluster.until(async () => (await sessionsOn(primary)) >= pools.reduce((sum, size) => sum + size));
  while (Array.isArray(await Promise.race([full, burst()]))) {}
  await holder.end();

  let isOver = false;
  const asked = servers.map(async ({ size, origin }) => {
    const answers: { readonly status: number; readonly at: number }[] = [];
    while (!isOver) {
      answers.push({ status: await read(origin), at: tickedTime() });
      await delay(20);
    }
    return { size, answers };
  });
  cluster.kill(primary);
  const promoted = await cluster.until(() => cluster.is(standby, 'primary'));
  await delay(soon);
  isOver = true;
  const outcomes: number[] = [];
  for (const { size, answers } of await Promise.all(asked)) {
    const refused = answers.filter(({ status }) => status !== 200);
    const first = answers.find(({ status, at }) => status === 200 && at > promoted)?.at ?? Number.POSITIVE_INFINITY;
    const after = Math.round(first - promoted);
    console.log(
      `${size} connections: first success ${after} ms after the promotion, ${refused.length} requests refused`,
    );
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]));
    outcomes.push(after);
  }
  expect(Math.max(...outcomes)).toBeLessThan(soon);
  expect(new Set(await burst())).toEqual(new Set([200]));
  cluster.revive();
});

async function sessionsOn(name: Parameters<typeof cluster.superUrl>[0]): Promise<number> {
  const sql = `SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE application_name = 'interview-agents-api'`;
  const [row] = await run(cluster.superUrl(name), sql);
  return Number(row?.['sessions']);
}

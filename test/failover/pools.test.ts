import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { run } from '../support/connection.ts';
import { send } from '../support/http.ts';
import { openClient, startUnlimited } from '../support/kept-client.ts';
import { build } from '../support/process.ts';
import { makeCompany } from '../trust/support/own-company.ts';
import { startCluster } from './support/cluster.ts';

build();
const cluster = await startCluster();
const pools = [2, 10, 50];
/** Milliseconds until a server answers again, once it can. */
const soon = 5_000;

test('servers with 2, 10 and 50 open connections to a lost primary answer within 5 s of the promotion, and all new ones are to the new one', async () => {
  const { key } = await makeCompany(cluster.ownerUrl, cluster.secret);
  const { primary, standby } = await cluster.whole();
  const servers = await Promise.all(
    pools.map(async (size) => {
      const { origin } = await startUnlimited(cluster, { DATABASE_POOL: String(size) });
      return { size, origin };
    }),
  );
  const client = openClient(key);
  const body = { name: 'Read', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
  const made = await client(servers[0]?.origin ?? '', { line: 'POST /agents', body });
  const sent = { method: 'GET', path: `/agents/${Object(made.body).id}`, headers: { authorization: `Bearer ${key}` } };
  const read = async (origin: string) => (await send(origin, sent)).status;
  const burst = () =>
    Promise.all(servers.flatMap(({ size, origin }) => Array.from({ length: size }, () => read(origin))));
  const open = pools.reduce((sum, size) => sum + size);
  await cluster.until(async () => {
    await burst();
    return (await sessionsOn(primary)) >= open;
  });

  let isOver = false;
  const asked = servers.map(async ({ size, origin }) => {
    const answers: { readonly status: number; readonly at: number }[] = [];
    while (!isOver) {
      answers.push({ status: await read(origin), at: performance.now() });
      await delay(20);
    }
    return { size, answers };
  });
  cluster.kill(primary);
  const promoted = await cluster.until(() => cluster.is(standby, 'primary'));
  await delay(soon);
  isOver = true;
  const outcomes = (await Promise.all(asked)).map(({ size, answers }) => {
    expect(answers.map(({ status }) => status).filter((status) => ![200, 503].includes(status))).toEqual([]);
    const first = answers.find(({ status, at }) => status === 200 && at > promoted)?.at ?? Number.POSITIVE_INFINITY;
    return { size, after: first - promoted, refused: answers.filter(({ status }) => status === 503).length };
  });
  for (const { size, after, refused } of outcomes) {
    console.log(
      `${size} connections: first success ${Math.round(after)} ms after the promotion, ${refused} requests refused`,
    );
    expect(after).toBeLessThan(soon);
    expect(refused).toBeGreaterThan(0);
  }
  expect(await burst()).toEqual(Array.from({ length: open }, () => 200));
  expect(await sessionsOn(standby)).toBeGreaterThan(0);
  cluster.revive();

  async function sessionsOn(name: typeof primary): Promise<number> {
    const sql = `SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE application_name = 'interview-agents-api'`;
    const [row] = await run(cluster.superUrl(name), sql);
    return Number(row?.['sessions']);
  }
});

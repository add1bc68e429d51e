import { randomInt } from 'node:crypto';
import { expect, inject, onTestFinished, test } from 'vitest';
import { connect, run } from '../support/connection.ts';
import { build } from '../support/process.ts';
import { startCluster } from './support/cluster.ts';
import { watchGaps } from './support/gaps.ts';
import { isRead, isWrite } from './support/load.ts';
import { openScene } from './support/scene.ts';

build();
const cluster = await startCluster();
const times = inject('isShort') ? 1 : 5;
/** Milliseconds until the servers answer again, once they can. */
const soon = 5_000;

test(`${times} × the primary's machine is lost under load: only 503 meanwhile, read and written again within 5 s, nothing lost`, async () => {
  const { load, expectNothingLost } = await openScene(cluster);
  for (let time = 0; time < times; time += 1) {
    const { primary, standby } = await cluster.whole();
    await load.more(randomInt(100, 200));
    const lost = performance.now();
    cluster.kill(primary);
    const promoted = await cluster.until(() => cluster.is(standby, 'primary'));
    const read = await load.untilRead(promoted);
    cluster.revive();
    await cluster.whole();
    const whole = performance.now();
    const written = await load.untilWritten(whole);
    console.log(
      `promoted after ${seconds(promoted - lost)}, both read ${seconds(read)} later; the lost node was its standby ` +
        `${seconds(whole - promoted)} after the promotion, both wrote ${seconds(written)} after that`,
    );
    expect(read).toBeLessThan(soon);
    expect(written).toBeLessThan(soon);
  }
  await expectNothingLost();
});

test(`${times} × a planned switchover under load: 503 for at most 5 s beyond the time without a primary and its standby, nothing lost`, async () => {
  const { load, expectNothingLost } = await openScene(cluster);
  for (let time = 0; time < times; time += 1) {
    const { primary, standby } = await cluster.whole();
    await load.more(randomInt(50, 100));
    const asked = performance.now();
    const gaps = watchGaps(cluster);
    await cluster.switchOver(primary, standby);
    await cluster.whole();
    const whole = performance.now();
    await Promise.all([load.untilRead(whole), load.untilWritten(whole)]);
    const missing = await gaps();
    const refused = { reads: load.refusedFor(asked, isRead), writes: load.refusedFor(asked, isWrite) };
    console.log(
      `${seconds(missing.primary)} without a primary, reads refused for ${seconds(refused.reads)}; ` +
        `${seconds(missing.pair)} without a standby too, writes refused for ${seconds(refused.writes)}`,
    );
    expect(refused.reads - missing.primary).toBeLessThan(soon);
    expect(refused.writes - missing.pair).toBeLessThan(soon);
    expect(await sessionsOn(primary)).toBe(0);
    expect(await sessionsOn(standby)).toBeGreaterThan(0);
  }
  await expectNothingLost();
});

test('the primary stands still until the standby is promoted, then goes on: it acknowledges nothing, the servers are on the new one', async () => {
  const { load, expectNothingLost } = await openScene(cluster);
  const { primary, standby } = await cluster.whole();
  await load.more(randomInt(50, 100));
  // Past HAProxy, as a client that nobody has told.
  const client = await connect(cluster.superUrl(primary));
  onTestFinished(() => client.end());
  const thaw = cluster.freeze(primary);
  const late = client.query(`CREATE TABLE late_${Date.now()} ()`).then(
    () => 'acknowledged',
    () => 'refused',
  );
  const promoted = await cluster.until(() => cluster.is(standby, 'primary'));
  const read = await load.untilRead(promoted);
  thaw();
  expect(await late).toBe('refused');
  expect((await cluster.whole()).primary).toBe(standby);
  const written = await load.untilWritten(performance.now());
  console.log(
    `both read ${seconds(read)} after the promotion, both wrote ${seconds(written)} after the old one was the standby`,
  );
  expect(read).toBeLessThan(soon);
  expect(written).toBeLessThan(soon);
  expect(await sessionsOn(primary)).toBe(0);
  expect(await sessionsOn(standby)).toBeGreaterThan(0);
  await expectNothingLost();
});

/** How many sessions the servers have on a node. */
async function sessionsOn(name: Parameters<typeof cluster.superUrl>[0]): Promise<number> {
  const sql = `SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE application_name LIKE 'interview-agents-api%'`;
  const [row] = await run(cluster.superUrl(name), sql);
  return Number(row?.['sessions']);
}

const seconds = (milliseconds: number) => `${(milliseconds / 1_000).toFixed(1)} s`;

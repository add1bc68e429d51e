import { randomInt } from 'node:crypto';
import { expect, inject, onTestFinished, test } from 'vitest';
import { connect, run } from '../support/connection.ts';
import { build } from '../support/process.ts';
import { tickedTime } from '../support/ticks.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { startCluster } from './support/cluster.ts';
import { watchGaps } from './support/gaps.ts';
import { isRead, isWrite } from './support/load.ts';
import { openScene } from './support/scene.ts';

build();
const cluster = await startCluster();
const times = inject('isShort') ? 1 : 5;
/** The most milliseconds between the end of the fault and the next answers of the servers. */
const soon = 5_000;

test(`when the primary is lost under load (${times} times) requests are only 503, reads and writes succeed again within 5 s of HAProxy and the standby, and nothing is lost`, () =>
  unlessTooSlow(async (attempt) => {
    const { load, expectNothingLost } = await openScene(cluster, attempt, times);
    for (let time = 0; time < times; time += 1) {
      const { primary, standby } = await cluster.whole();
      await load.more(randomInt(100, 200));
      const lost = tickedTime();
      cluster.kill(primary);
      const promoted = await cluster.until(() => cluster.is(standby, 'primary'));
      const led = await cluster.untilLed();
      const read = await load.untilRead(led);
      cluster.revive();
      await cluster.whole();
      const whole = tickedTime();
      const written = await load.untilWritten(whole);
      console.log(
        `promoted after ${seconds(promoted - lost)}, HAProxy led to it ${seconds(led - promoted)} later, both read ${seconds(read)} after that; the lost node was its standby ` +
          `${seconds(whole - promoted)} after the promotion, both wrote ${seconds(written)} after that`,
      );
      expect(read).toBeLessThan(soon);
      expect(written).toBeLessThan(soon);
    }
    await expectNothingLost();
  }));

test(`a planned switchover under load (${times} times) causes 503 for at most 5 s beyond the time without a primary and its standby, and nothing is lost`, () =>
  unlessTooSlow(async (attempt) => {
    const { load, expectNothingLost } = await openScene(cluster, attempt, times);
    for (let time = 0; time < times; time += 1) {
      const { primary, standby } = await cluster.whole();
      await load.more(randomInt(50, 100));
      const asked = tickedTime();
      const gaps = watchGaps(cluster);
      await cluster.switchOver(primary, standby);
      await cluster.whole();
      const whole = tickedTime();
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
  }));

test('a frozen primary that resumes after the promotion of the standby acknowledges nothing, and the servers use the new one', () =>
  unlessTooSlow(async (attempt) => {
    const { load, expectNothingLost } = await openScene(cluster, attempt, 1);
    const { primary, standby } = await cluster.whole();
    await load.more(randomInt(50, 100));
    // Bypasses HAProxy, like a client that does not know of the failover.
    const client = await connect(cluster.superUrl(primary));
    onTestFinished(() => client.end());
    const thaw = cluster.freeze(primary);
    const late = client.query(`CREATE TABLE late_${Date.now()} ()`).then(
      () => 'acknowledged',
      () => 'refused',
    );
    const promoted = await cluster.until(() => cluster.is(standby, 'primary'));
    const led = await cluster.untilLed();
    const read = await load.untilRead(led);
    thaw();
    expect(await late).toBe('refused');
    expect((await cluster.whole()).primary).toBe(standby);
    const written = await load.untilWritten(tickedTime());
    console.log(
      `HAProxy led to it ${seconds(led - promoted)} after the promotion, both read ${seconds(read)} after that, both wrote ${seconds(written)} after the old one was the standby`,
    );
    expect(read).toBeLessThan(soon);
    expect(written).toBeLessThan(soon);
    expect(await sessionsOn(primary)).toBe(0);
    expect(await sessionsOn(standby)).toBeGreaterThan(0);
    await expectNothingLost();
  }));

/** The number of sessions of the servers on a node. */
async function sessionsOn(name: Parameters<typeof cluster.superUrl>[0]): Promise<number> {
  const sql = `SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE application_name LIKE 'interview-agents-api%'`;
  const [row] = await run(cluster.superUrl(name), sql);
  return Number(row?.['sessions']);
}

const seconds = (milliseconds: number) => `${(milliseconds / 1_000).toFixed(1)} s`;

import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { connect } from '../support/connection.ts';
import { build } from '../support/process.ts';
import { tickedTime } from '../support/ticks.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { startCluster } from './support/cluster.ts';
import { isGood, isRead, isWrite } from './support/load.ts';
import { openScene } from './support/scene.ts';

build();
const cluster = await startCluster();
/** The most milliseconds between the end of the fault and the next answers of the servers. */
const soon = 5_000;
/** Milliseconds for which the standby is down. */
const away = inject('isShort') ? 10_000 : 300_000;
/** Milliseconds for which etcd is down. */
const blind = inject('isShort') ? 10_000 : 60_000;
/** DATABASE_POOL of both servers. */
const pools = 2 * 10;

test(`while the standby is lost for ${away / 1_000} s writes are 503, reads are served, and the sessions that wait for it never exceed the pools`, () =>
  unlessTooSlow(async (attempt) => {
    const { load, expectNothingLost } = await openScene(cluster, attempt);
    const { primary, standby } = await cluster.whole();
    await load.more(randomInt(50, 100));
    const client = await connect(cluster.superUrl(primary));
    const lost = tickedTime();
    cluster.kill(standby);
    let waiting = 0;
    while (tickedTime() < lost + away) {
      const { rows } = await client.query(waitingSessions);
      waiting = Math.max(waiting, rows[0].sessions);
      await delay(200);
    }
    const over = tickedTime();
    await client.end();
    cluster.revive();
    await cluster.whole();
    const whole = tickedTime();
    const written = await load.untilWritten(whole);

    const meanwhile = load.answers.filter(({ at, ms }) => at - ms > lost && at < over);
    const reads = meanwhile.filter(isRead);
    const late = reads.filter((answer) => isGood(answer) && answer.at > over - away / 5);
    const writes = meanwhile.filter(isWrite);
    console.log(
      `${writes.length} writes refused, ${reads.filter(isGood).length} of ${reads.length} reads served, at most ${waiting} sessions ` +
        `waited for the standby; both wrote ${seconds(written)} after it was back`,
    );
    expect(waiting).toBeGreaterThan(0);
    expect(waiting).toBeLessThanOrEqual(pools);
    // A write that was stored earlier may be answered by its kept answer.
    expect(writes.filter((answer) => isGood(answer) && !answer.isReplayed)).toEqual([]);
    expect(writes.length).toBeGreaterThan(0);
    expect(reads.filter((answer) => !isGood(answer)).map(({ status }) => status)).toEqual([]);
    // Repeats until the end, with both servers.
    expect(new Set(late.map(({ origin }) => origin))).toEqual(new Set(cluster.servers));
    expect(written).toBeLessThan(soon);
    await expectNothingLost();
  }));

const waitingSessions = `
  SELECT count(*)::int AS sessions FROM pg_stat_activity
   WHERE application_name = 'interview-agents-api' AND wait_event = 'SyncRep'`;

test(`while etcd is down for ${blind / 1_000} s the primary steps down and requests are 503; nothing is lost and requests are served after etcd is back`, () =>
  unlessTooSlow(async (attempt) => {
    const { load, expectNothingLost } = await openScene(cluster, attempt, 1);
    await load.more(randomInt(50, 100));
    const gone = tickedTime();
    process.kill(cluster.etcd(), 'SIGKILL');
    const given = await cluster.until(async () => (await cluster.primary()) === undefined);
    // HAProxy notices the change a moment later.
    const closed = await load.firstRefusal(given);
    await delay(Math.max(0, gone + blind - tickedTime()));
    const over = tickedTime();
    cluster.revive();
    const { primary } = await cluster.whole();
    const whole = tickedTime();
    const [read, written] = await Promise.all([load.untilRead(whole), load.untilWritten(whole)]);

    const meanwhile = load.answers.filter(({ at, ms }) => at - ms > closed && at < over);
    console.log(
      `no primary ${seconds(given - gone)} after etcd was lost, ${meanwhile.length} requests refused; ${primary} with its standby ` +
        `${seconds(whole - over)} after etcd was back, both read ${seconds(read)} and wrote ${seconds(written)} after that`,
    );
    expect(meanwhile.length).toBeGreaterThan(0);
    expect(meanwhile.filter((answer) => isWrite(answer) && isGood(answer))).toEqual([]);
    expect(Math.max(read, written)).toBeLessThan(soon);
    await expectNothingLost();
  }));

test('with failsafe_mode a loss of etcd does not affect requests', () =>
  unlessTooSlow(async (attempt) => {
    const { load, expectNothingLost } = await openScene(cluster, attempt);
    const before = await cluster.whole();
    await cluster.configureFor({ failsafe_mode: true }, { failsafe_mode: false });
    await cluster.untilFailsafe();
    await load.more(randomInt(50, 100));
    const gone = tickedTime();
    process.kill(cluster.etcd(), 'SIGKILL');
    await delay(blind);
    const meanwhile = load.answers.filter(({ at, ms }) => at - ms > gone);
    cluster.revive();
    expect(await cluster.whole()).toEqual(before);
    console.log(`${meanwhile.filter(isGood).length} of ${meanwhile.length} requests served without etcd`);
    expect(meanwhile.filter((answer) => !isGood(answer)).map(({ status }) => status)).toEqual([]);
    expect(meanwhile.filter(isWrite).length).toBeGreaterThan(0);
    await expectNothingLost();
  }));

const seconds = (milliseconds: number) => `${(milliseconds / 1_000).toFixed(1)} s`;

import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { send } from '../support/http.ts';
import { openClient } from '../support/kept-client.ts';
import { largeAgents, openUnreadList } from '../support/large-lists.ts';
import { newSubject } from '../support/patch-agent.ts';
import { startServer } from '../support/process.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });
const seconds = inject('isShort') ? 10 : 60;

/**
 * The most megabytes that the process may have resident; without a bound it would exceed its heap of 400 MB and end.
 */
const mostResident = 500;

/** The answers to other clients in a period: statuses, and the median time in milliseconds. */
async function askAsOther(ask: (count: number) => Promise<{ readonly status: number }>, until: Promise<unknown>) {
  const times: number[] = [];
  const statuses = new Set<number>();
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  until.then(end, end);
  for (let count = 0; !isOver; count += 1) {
    const start = performance.now();
    statuses.add((await ask(count)).status);
    times.push(performance.now() - start);
    // Slow enough for the rate limits.
    await delay(125);
  }
  return { statuses: [...statuses], count: times.length, p50: times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0 };
}

/**
 * Requests lists ten times a second, reads thirty parts of each in three seconds, and disconnects. Returns the
 * statuses.
 */
async function readSlowly(origin: string, key: string): Promise<(number | undefined)[]> {
  const one = async () => {
    const list = await openUnreadList(origin, key);
    for (let part = 0; part < 30; part += 1) {
      list.readPart();
      await delay(100);
    }
    list.leave();
    return list.status;
  };
  const asked: ReturnType<typeof one>[] = [];
  for (let count = 0; count < seconds * 10; count += 1) {
    const list = one();
    // It is awaited below, after the last one was begun.
    list.catch(() => {});
    asked.push(list);
    await delay(100);
  }
  return await Promise.all(asked);
}

test('with ten lists of 100 agents of 250 KB requested a second and read slowly, memory is bounded and other clients are served as before', () =>
  unlessTooSlow(async ({ timed, atEnd }) => {
    const attacker = await world.company();
    await largeAgents(world, attacker.id, 100);
    const other = await newSubject(world);
    const port = await freePort();
    const env = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, LOG_LEVEL: 'fatal' };
    const more = { METRICS_PORT: `${port}`, NODE_OPTIONS: '--max-old-space-size=400' };
    const { server, origin } = await startServer({ ...env, ...more }, { atEnd });
    const resident: number[] = [];
    const timer = setInterval(async () => {
      const metrics = { method: 'GET', path: '/metrics' };
      // Nothing is read from a server that is being ended, because the scene failed.
      const read = await send(`http://127.0.0.1:${port}`, metrics).catch(() => undefined);
      if (read) resident.push(Number(/^process_resident_memory_bytes (\S+)$/m.exec(read.text)?.[1]) / 2 ** 20);
    }, 500);
    atEnd(async () => clearInterval(timer));
    const client = openClient(other.key);
    const ask = (count: number) =>
      timed(client(origin, { line: `PATCH /agents/${other.id}`, body: { metadata: { count } } }));

    const quiet = await askAsOther(ask, delay(5_000));
    const attack = readSlowly(origin, attacker.key);
    const underLoad = await askAsOther(ask, attack);
    const statuses = await attack;
    const later = await askAsOther(ask, delay(5_000));
    clearInterval(timer);
    const countOf = (status: number) => statuses.filter((one) => one === status).length;
    console.log(
      `${statuses.length} lists: ${countOf(200)} begun, ${countOf(503)} refused; at most ${Math.max(...resident).toFixed(0)} MB; ` +
        `others: p50 ${quiet.p50.toFixed(1)} ms before, ${underLoad.p50.toFixed(1)} ms of ${underLoad.count} requests meanwhile, ` +
        `${later.p50.toFixed(1)} ms afterwards`,
    );

    expect(countOf(200)).toBeGreaterThan(0);
    expect([quiet.statuses, underLoad.statuses]).toEqual([[200], [200]]);
    // The machine may be slower than it was before.
    expect(underLoad.p50).toBeLessThan(5 * Math.max(quiet.p50, later.p50));
    expect(Math.max(...resident)).toBeLessThan(mostResident);
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
  }));

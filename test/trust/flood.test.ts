import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, expect, inject, test, vi } from 'vitest';
import { type Flood, openFlood, shortGet } from '../support/flood.ts';
import { send } from '../support/http.ts';
import { startUnlimited } from '../support/kept-client.ts';
import { newSubject } from '../support/patch-agent.ts';
import { build, startServer } from '../support/process.ts';
import { type Attempt, unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';
import { percentile, sendSteadily } from './support/steady-requests.ts';

const world = await openWorld({ docs: false });
const isShort = inject('isShort');

beforeAll(build);

type Server = Awaited<ReturnType<typeof startServer>>['server'];

/** The resident memory of a process in megabytes. */
const memoryOf = ({ pid }: Server) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;

const descriptorsOf = ({ pid }: Server) => readdirSync(`/proc/${pid}/fd`).length;

/** A server, and a client with a key that changes an agent every 20 ms, each time on a new connection. */
async function openVictim({ timed, atEnd }: Attempt, env: Readonly<Record<string, string>> = {}) {
  const { id, key } = await newSubject(world);
  const { server, origin } = await startUnlimited(world, env, atEnd);
  let duration = 30;
  const change = () => {
    duration = 75 - duration;
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    return timed(send(origin, { path: `/agents/${id}`, headers, body: JSON.stringify({ duration }) }));
  };
  /** The answers to other clients during a task; each of them must be 200. */
  const during = async (task: Promise<unknown>) => {
    const answers = await sendSteadily(change, task);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const times = answers.map(({ after }) => after);
    return { count: times.length, p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
  };
  await change();
  return { server, origin, change, during };
}

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1_000));

const floods = (origin: string, count: number, options?: Parameters<typeof openFlood>[1]) =>
  Promise.all(Array.from({ length: count }, () => openFlood(origin, options)));

const disconnect = (attackers: readonly Flood[]) => {
  for (const { socket } of attackers) socket.resetAndDestroy();
};

test('12 connections that pipeline 2,000 requests for the document each and read nothing: with a heap of 400 MB the server keeps running, its memory stays under 500 MB, and other clients are served', () =>
  unlessTooSlow(async (attempt) => {
    const { server, origin, during, change } = await openVictim(attempt, { NODE_OPTIONS: '--max-old-space-size=400' });
    const attackers = await floods(origin, 12, { reads: false });
    for (const { socket } of attackers) socket.write(shortGet('/openapi.json').repeat(2_000));
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, memoryOf(server));
    }, 50);
    const { count, p99 } = await during(seconds(isShort ? 6 : 15)).finally(() => clearInterval(watch));
    console.log(`memory at most ${most.toFixed(0)} MB; ${count} others served, p99 ${p99.toFixed(0)} ms`);
    expect(most).toBeLessThan(500);
    expect(count).toBeGreaterThan(0);
    disconnect(attackers);
    expect(await change()).toMatchObject({ status: 200 });
  }));

test('after a client that pipelined 1,200 requests for the script of the reference page disconnects, all descriptors are released', () =>
  unlessTooSlow(async (attempt) => {
    const { server, origin, change } = await openVictim(attempt);
    const page = await send(origin, { method: 'GET', path: '/docs/static/swagger-ui-bundle.js' });
    expect(page.status).toBe(200);
    const before = descriptorsOf(server);
    const [attacker] = await floods(origin, 1, { reads: false });
    attacker?.socket.write(shortGet('/docs/static/swagger-ui-bundle.js').repeat(1_200));
    let most = 0;
    await vi.waitUntil(
      () => {
        most = Math.max(most, descriptorsOf(server));
        return (attacker?.socket.readableLength ?? 0) > 0 && attacker?.socket.bytesWritten;
      },
      { timeout: 60_000 },
    );
    for (let time = 0; time < 20; time += 1) {
      expect(await change()).toMatchObject({ status: 200 });
      most = Math.max(most, descriptorsOf(server));
    }
    disconnect(attacker ? [attacker] : []);
    await vi.waitUntil(() => descriptorsOf(server) <= before, { timeout: 60_000, interval: 50 });
    console.log(`descriptors: ${before} before, at most ${most} meanwhile, ${descriptorsOf(server)} after`);
    // Some descriptors for the connections of other clients, none for waiting requests.
    expect(most).toBeLessThan(before + 20);
  }));

test.each([
  ['3,000 /health/ready pipelined on each of 20 connections', '/health/ready', 20, 3_000],
  ['20,000 unknown paths pipelined on one connection', '/no', 1, 20_000],
  ['400 unknown paths pipelined on each of 100 connections', '/no', 100, 400],
])('%s: other clients are served, at most 40 times slower than before or after', (what, path, count, requests) =>
  unlessTooSlow(async (attempt) => {
    const { origin, during } = await openVictim(attempt);
    const before = await during(seconds(3));
    const attackers = await floods(origin, count);
    for (const { socket } of attackers) socket.write(shortGet(path).repeat(requests));
    const attacked = await during(
      Promise.race([Promise.all(attackers.map((attacker) => attacker.until(requests))), seconds(isShort ? 10 : 40)]),
    );
    const answers = attackers.reduce((sum, attacker) => sum + attacker.answers, 0);
    const closed = attackers.filter(({ isClosed }) => isClosed).length;
    disconnect(attackers);
    // The machine may be slower than it was before.
    const after = await during(seconds(3));
    const quiet = { p50: Math.max(before.p50, after.p50), p99: Math.max(before.p99, after.p99) };
    console.log(
      `${what}: ${answers} answers, ${closed} connections closed; others: p50 ${quiet.p50.toFixed(0)} ms and ` +
        `p99 ${quiet.p99.toFixed(0)} ms when quiet, ${attacked.p50.toFixed(0)} and ${attacked.p99.toFixed(0)} ms meanwhile`,
    );
    expect(attacked.count).toBeGreaterThan(0);
    // A second on an idle machine; at the beginning the server parses everything that arrived at once.
    expect(attacked.p99).toBeLessThan(Math.max(1_000, 40 * quiet.p99));
    expect(attacked.p50).toBeLessThan(40 * quiet.p50);
  }),
);

test('with 600 kept connections at 256 descriptors the longest idle ones are closed for new ones, and those in use are served', () =>
  unlessTooSlow(async (attempt) => {
    const { id, key } = await newSubject(world);
    const env = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, LOG_LEVEL: 'fatal' };
    const limits = { RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0' };
    const { server, origin } = await startServer({ ...env, ...limits }, { descriptors: 256, atEnd: attempt.atEnd });
    const limit = Math.floor(256 * 0.8);
    const patch = () => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      return attempt.timed(send(origin, { path: `/agents/${id}`, headers, body: '{"duration":45}' }));
    };
    const used = await openFlood(origin);
    const kept: Flood[] = [];
    // One that was never used is closed after 10 s, as too slow.
    const opened: number[] = [];
    attempt.provedBy(() => performance.now() - (opened.at(-limit) ?? 0) > 9_000);
    for (let made = 1; made <= 600; made += 1) {
      const flood = await openFlood(origin);
      kept.push(flood);
      opened.push(performance.now());
      // Half of them have had an answer, and the others were never used.
      if (made % 2 === 0) {
        flood.socket.write(shortGet('/health/live'));
        await flood.until(1);
      }
      if (made % 50 === 0) {
        used.socket.write(shortGet('/health/live'));
        await used.until(made / 50);
        expect(await patch()).toMatchObject({ status: 200 });
      }
    }
    expect(used).toMatchObject({ answers: 12, isClosed: false });
    await vi.waitUntil(() => kept.filter(({ isClosed }) => !isClosed).length < limit, { timeout: 60_000 });
    const open = kept.map(({ isClosed }) => !isClosed);
    console.log(`${open.filter(Boolean).length} of 600 are open; ${descriptorsOf(server)} descriptors of 256`);
    // The newest ones, nearly as many as the limit allows.
    expect(open).toEqual(kept.map((_, at) => at >= open.indexOf(true)));
    expect(open.filter(Boolean).length).toBeGreaterThan(limit - 15);
    expect(await patch()).toMatchObject({ status: 200 });
    disconnect([used, ...kept]);
  }));

test('with connections that request a large file and read nothing, at 256 descriptors, the longest served are closed and new ones are served', () =>
  unlessTooSlow(async (attempt) => {
    const { id, key } = await newSubject(world);
    const env = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, LOG_LEVEL: 'fatal' };
    const { server, origin } = await startServer(env, { descriptors: 256, atEnd: attempt.atEnd });
    const memory = memoryOf(server);
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const patch = () => attempt.timed(send(origin, { path: `/agents/${id}`, headers, body: '{"duration":45}' }));
    const attackers: Flood[] = [];
    // 24 MB of answers each, far more than the buffers of a socket hold.
    const attack = async () => {
      const [attacker] = await floods(origin, 1, { reads: false });
      if (!attacker) return;
      attackers.push(attacker);
      attacker.socket.write(shortGet('/docs/static/swagger-ui-bundle.js').repeat(16));
      await vi.waitUntil(() => attacker.socket.readableLength > 0 || attacker.isClosed, { timeout: 60_000 });
    };
    for (let made = 0; made < 220; made += 1) await attack();
    for (let time = 0; time < 20; time += 1) {
      await attack();
      expect(await patch()).toMatchObject({ status: 200 });
    }
    console.log(`${(memoryOf(server) - memory).toFixed(0)} MB more than before, ${descriptorsOf(server)} descriptors`);
    expect(memoryOf(server) - memory).toBeLessThan(150);
    disconnect(attackers);
  }));

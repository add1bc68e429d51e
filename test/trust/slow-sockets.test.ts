import { join } from 'node:path';
import { expect, test } from 'vitest';
import { send } from '../support/http.ts';
import { startUnlimited } from '../support/kept-client.ts';
import { newSubject } from '../support/patch-agent.ts';
import { startProcess } from '../support/process.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';
import { percentile, sendSteadily } from './support/steady-requests.ts';

/** The time limit of a slow or silent client in milliseconds (12 s), and a tolerance for a busy machine. */
const limit = 12_000 + 500;

const world = await openWorld({ docs: false });

test('500 slow headers, 500 slow bodies and 200 silent sockets are closed within 12 s, and other clients are served as before', () =>
  unlessTooSlow(async ({ timed, atEnd }) => {
    const { id, key } = await newSubject(world);
    const { server, origin } = await startUnlimited(world, { LOG_LEVEL: 'warn' }, atEnd);
    const attacker = ['--import', 'tsx', join(import.meta.dirname, 'slow-attacker.ts'), origin, id, key];
    let duration = 30;
    const request = () => {
      duration = 75 - duration;
      const authorization = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      return timed(send(origin, { path: `/agents/${id}`, headers: authorization, body: JSON.stringify({ duration }) }));
    };
    const sixty = async () => {
      for (let count = 0; count < 60; count += 1) await request();
    };
    const quietTimes = async () => (await sendSteadily(request, sixty())).map(({ after }) => after);
    const before = await quietTimes();
    const attack = startProcess([process.execPath, ...attacker], {});
    const answers = await sendSteadily(request, attack.exit);
    const times = answers.map(({ after }) => after);
    const later = await quietTimes();
    const all: { after: number; status: string }[] = JSON.parse(attack.stdout);
    const last = Math.max(...all.map(({ after }) => after));
    const percentiles = [0.5, 0.99, 1].map((part) => `${percentile(times, part).toFixed(1)} ms`);
    console.log(
      `${times.length} requests: p50, p99, longest ${percentiles.join(', ')}; the last socket cut after ${last.toFixed(0)} ms`,
    );

    expect(all).toHaveLength(1_200);
    // If a socket is closed while it sends, the last bytes to it may be lost.
    expect(['408', '']).toEqual(expect.arrayContaining(all.map(({ status }) => status)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(last).toBeLessThan(limit);
    // Most requests run undisturbed; a few run while hundreds of sockets are opened or closed.
    for (const part of [0.5, 0.95]) {
      // The machine may be slower than it was before.
      const quiet = Math.max(percentile(before, part), percentile(later, part));
      expect(percentile(times, part)).toBeLessThan(10 * quiet);
    }
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
  }));

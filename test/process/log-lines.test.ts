import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { callsOf } from '../support/calls.ts';
import { send } from '../support/http.ts';
import { importing } from '../support/node-options.ts';
import { newSubject } from '../support/patch-agent.ts';
import { build, startServer } from '../support/process.ts';
import { repeatedIfLate } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operate.md'), 'utf8');

test('every log line names the replica, and the sample in docs/operate.md has the members of such a line', async () => {
  const { id, key } = await newSubject(world);
  const { server, origin } = await startServer({ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret });
  await repeatedIfLate(() => callsOf(origin).patch(key, id, { duration: 500 }));
  server.signal('SIGTERM');
  await server.exit;
  const log = server.stdout.split('\n').filter((line) => line.startsWith('{'));
  const lines = log.map((line): Record<string, unknown> => JSON.parse(line));
  expect(lines.map(({ msg }) => msg)).toEqual(expect.arrayContaining(['request', 'stopping', 'stopped']));
  expect(new Set(lines.map(({ replica }) => replica))).toEqual(new Set([`${hostname()}-${server.pid}`]));
  const [, sample = '{}'] = /^```json\n(\{"level".*\})\n```$/m.exec(page) ?? [];
  const request = lines.find(({ msg, status }) => msg === 'request' && status !== 503) ?? {};
  expect(Object.keys(JSON.parse(sample))).toEqual(Object.keys(request));
});

test('a crash: the line of a request that was answered just before it is written', async () => {
  // Throws when that line was made, and is not yet written with the others of its 100 ms.
  const crash = `import { subscribe } from 'node:diagnostics_channel';
    subscribe('http.server.response.finish', ({ request }) => {
      if (request.url === '/crash') setImmediate(() => { throw new Error('crash'); });
    });`;
  const { server, origin } = await startServer({
    NODE_OPTIONS: importing(crash),
    DATABASE_URL: world.databaseUrl,
    API_KEY_SECRET: world.secret,
  });
  await send(origin, { method: 'GET', path: '/crash', headers: { 'x-request-id': 'the-last' } });
  expect(await server.exit).toEqual({ code: 1, signal: null });
  expect(server.stdout).toMatch(/"requestId":"the-last".*\}\n$/);
});

import { beforeAll, expect, test, vi } from 'vitest';
import { send } from '../support/http.ts';
import { build, startServer } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

// Starts take seconds each, and many where the machine is busy.
vi.setConfig({ testTimeout: 120_000 });

const world = await openWorld();

beforeAll(build);

test('DOCS=false leaves out the page, and LOG_LEVEL=warn the lines of requests', async () => {
  const database = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret };
  const { server, origin } = await startServer({ ...database, DOCS: 'false', LOG_LEVEL: 'warn' });
  expect((await send(origin, { method: 'GET', path: '/docs' })).status).toBe(404);
  expect((await send(origin, { method: 'GET', path: '/openapi.json' })).status).toBe(200);
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
  expect(server.stdout).toBe(`Listening on ${origin}\n`);
});

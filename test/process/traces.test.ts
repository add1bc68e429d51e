import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { callsOf } from '../support/calls.ts';
import { blocksIn, commandsIn, filled } from '../support/docs.ts';
import { newSubject } from '../support/patch-agent.ts';
import { build, makeFolder, repeatedIfTooSlow, startProcess } from '../support/process.ts';
import { clientSpan } from '../support/spans.ts';
import { repeatedIfLate } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const root = join(import.meta.dirname, '..', '..');
const world = await openWorld();

beforeAll(build);

/** A collector that keeps the bodies of requests to `/v1/traces`. */
async function openCollector() {
  const port = await freePort();
  const received: string[] = [];
  const server = createServer(async (request, response) => {
    if (request.url === '/v1/traces') received.push(await text(request));
    response.end('{}');
  });
  server.listen(port, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return { received, origin: `http://127.0.0.1:${port}` };
}

test('an SDK in a folder of its own, as docs/operate.md describes, sends the spans to a collector, the last ones at SIGTERM', async () => {
  const collector = await openCollector();
  const HOME = await makeFolder();
  const [example = '', ...others] = blocksIn('docs/operate.md', 'js');
  expect(others).toEqual([]);
  const folder = join(HOME, 'telemetry');
  mkdirSync(folder);
  writeFileSync(join(folder, 'telemetry.mjs'), example);
  // The SDK has its own copy of the API package, as npm installs it there.
  cpSync(join(root, 'node_modules', '@opentelemetry'), join(folder, 'node_modules', '@opentelemetry'), {
    recursive: true,
  });
  const [, start = '', ...more] = commandsIn('docs/operate.md', 'Traces');
  expect(more).toEqual([]);

  const secrets = `SERVER_URL='${world.databaseUrl}'\nexport API_KEY_SECRET=${world.secret}\n`;
  writeFileSync(join(HOME, 'interview-agents.sh'), secrets);
  const commands = filled(start, {
    'http://127.0.0.1:4318': collector.origin,
    'DATABASE_URL=$SERVER_URL': 'exec env DATABASE_URL=$SERVER_URL',
  });
  const { server, origin } = await repeatedIfTooSlow(async () => {
    const started = startProcess(['bash', '-euc', commands], { env: { HOME, PORT: '0' } });
    return { server: started, origin: await started.until(/^Listening on (http:\S+)$/m) };
  });
  const { key, id } = await newSubject(world);
  const { traceId, headers } = clientSpan();
  const { patch } = callsOf(origin);
  const answer = await repeatedIfLate(() => patch(key, id, { duration: 45 }, { headers }));
  expect(answer.status).toBe(200);
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
  const sent = collector.received.join('\n');
  for (const name of [traceId, 'PATCH /agents/{id}', 'lookup batch', 'write batch'])
    expect(sent).toContain(`"${name}"`);
  expect(server.stdout).toContain(`"trace_id":"${traceId}"`);
});

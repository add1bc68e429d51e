import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { callsOf } from '../support/calls.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { newSubject } from '../support/patch-agent.ts';
import { build, makeFolder, startServer } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

test('the commands of docs/operate.md answer its questions from the log of a server', async () => {
  const { id, key, companyId, keyId } = await newSubject(world);
  const revoked = await world.newKey(companyId);
  await world.keys.revoke(revoked.id);
  const { server, origin } = await startServer({ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret });
  const { patch } = callsOf(origin);
  await patch(key, id, { duration: 45 });
  const wrong = await patch(key, id, { duration: 500 });
  for (const bearer of ['nonsense', revoked.key, revoked.key]) await patch(bearer, id, {});
  server.signal('SIGTERM');
  await server.exit;

  const cwd = await makeFolder();
  writeFileSync(join(cwd, 'server.log'), server.stdout);
  const [problems = '', report = '', refused = '', ...more] = commandsIn('docs/operate.md', 'Logs');
  expect(more).toEqual([]);
  const run = (command: string) => execFileSync('bash', ['-c', command], { cwd, encoding: 'utf8' });
  expect(run(problems)).toBe('      3 401 INVALID_API_KEY\n      1 400 VALIDATION_FAILED\n');
  const { requestId } = Object(wrong.body);
  expect(JSON.parse(run(filled(report, { REQUEST_ID: requestId })))).toEqual({
    ...{ status: 400, code: 'VALIDATION_FAILED', reason: null, err: null, keyId, address: '127.0.0.1' },
    faults: [{ in: 'body', pointer: '#/duration', code: 'too_large' }],
  });
  expect(run(refused)).toBe(`      1 127.0.0.1 malformed null\n      2 127.0.0.1 revoked ${revoked.id}\n`);
});

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { curlsIn, paste } from '../support/curl.ts';
import { send } from '../support/http.ts';
import { build, makeDataDir, startServer } from '../support/process.ts';
import { lateWebhooks, unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

/** The same in each run of a scene, because the database knows the secret that was used last. */
const newSecret = randomUUID().repeat(2);

test('two processes with API_KEY_SECRET_PREVIOUS and TRUST_PROXY apply every change of a key’s state from the next request on', () =>
  unlessTooSlow(async ({ timed, provedBy, atEnd }) => {
    const env = {
      DATABASE_URL: world.databaseUrl,
      API_KEY_SECRET: newSecret,
      API_KEY_SECRET_PREVIOUS: world.secret,
      TRUST_PROXY: '127.0.0.1, 10.0.0.0/8',
      NODE_ENV: 'production',
    };
    const servers = await Promise.all([startServer(env, { atEnd }), startServer(env, { atEnd })]);
    provedBy(() => servers.some(({ server }) => server.stdout.includes(lateWebhooks)));
    const { id: companyId } = await world.company();
    const key = await world.keyFrom(companyId, '192.0.2.0/24');
    const [, { id } = { id: '' }] = await world.keys.list({ companyId, integrationId: null });
    const statuses = (from: string) => {
      const headers = { authorization: `Bearer ${key}`, 'x-forwarded-for': `203.0.113.9, ${from}, 10.0.0.7` };
      const asked = servers.map(({ origin }) => timed(send(origin, { method: 'GET', path: '/agents', headers })));
      return Promise.all(asked.map(async (answer) => (await answer).status));
    };
    expect(await statuses('192.0.2.1')).toEqual([200, 200]);
    expect(await statuses('192.0.3.1')).toEqual([403, 403]);
    await world.keys.suspend(id);
    expect(await statuses('192.0.2.1')).toEqual([401, 401]);
    await world.keys.resume(id);
    expect(await statuses('192.0.2.1')).toEqual([200, 200]);
    await world.keys.revoke(id);
    expect(await statuses('192.0.2.1')).toEqual([401, 401]);
    for (const { server } of servers) {
      server.signal('SIGTERM');
      expect(await server.exit).toEqual({ code: 0, signal: null });
      expect(server.stderr).toBe('');
      expect(server.stdout).not.toMatch(/"level":(40|50|60)/);
    }
  }));

test('with a secret of the operator and the generated one as the previous one, the demo’s keys stay valid', async () => {
  const DATA_DIR = await makeDataDir();
  /** Starts a server, runs both curl commands, and stops it. */
  const start = async (env: Record<string, string>) => {
    const { server } = await startServer({ DATA_DIR, ...env });
    for (const curl of curlsIn(server.stdout)) expect(await paste(curl)).toMatchObject({ status: 200 });
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    return server.stdout.match(/sk_\w{43}/g);
  };
  const keys = await start({});
  const API_KEY_SECRET = randomUUID().repeat(2);
  const API_KEY_SECRET_PREVIOUS = await readFile(join(DATA_DIR, 'api-key-secret'), 'utf8');
  expect(await start({ API_KEY_SECRET, API_KEY_SECRET_PREVIOUS })).toEqual(keys);
  // The keys are hashed with the new secret by now.
  expect(await start({ API_KEY_SECRET })).toEqual(keys);
});

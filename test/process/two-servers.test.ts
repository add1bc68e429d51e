import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const root = join(import.meta.dirname, '..', '..');

/** A server process over the world's database; resolves to its URL once it listens. */
async function startServer(): Promise<string> {
  const server: ChildProcess = spawn(process.execPath, ['--import', 'tsx', 'src/server.ts'], {
    cwd: root,
    env: {
      ...process.env,
      DATABASE_URL: world.databaseUrl,
      API_KEY_SECRET: world.secret,
      PORT: '0',
      LOG_LEVEL: 'warn',
      RATE_LIMIT_PER_MINUTE: '0',
      RATE_LIMIT_PER_HOUR: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    server.kill('SIGTERM');
    await once(server, 'exit');
  });
  if (!server.stdout) throw new Error('no standard output');
  for await (const line of createInterface({ input: server.stdout })) {
    const url = /^Listening on (\S+)$/.exec(line)?.[1];
    if (url) return url;
  }
  throw new Error('the server ended');
}

/** One client with a connection of its own. */
function openClient(origin: string, key: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return (id: string, patch: object) =>
    new Promise<number>((resolve, reject) => {
      const sent = request(`${origin}/agents/${id}`, { method: 'PATCH', agent, headers }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
      });
      sent.on('error', reject).end(JSON.stringify(patch));
    });
}

test('two processes hammering the same 50 agents for 20 s lose no update, leave no gap, and answer 200 to all', async () => {
  const company = await world.company();
  const ids = (await Promise.all(Array.from({ length: 50 }, () => world.agent(company.id)))).map(({ id }) => id);
  const servers = await Promise.all([startServer(), startServer()]);
  const end = Date.now() + 20_000;
  const statuses = new Map<number, number>();
  const changes = new Map<string, number>(ids.map((id) => [id, 0]));

  // Each client has a key of its own in the metadata of every agent, and counts up in it.
  const clients = Array.from({ length: 32 }, (_, at) => `client${at}`);
  const last = new Map<string, number>();
  await Promise.all(
    clients.map(async (name, at) => {
      const patch = openClient(servers[at % 2] ?? '', company.key);
      for (let count = 1; Date.now() < end; count += 1) {
        const id = ids[(count * 7 + at * 3) % ids.length] ?? '';
        const status = await patch(id, { metadata: { [name]: count } });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        changes.set(id, (changes.get(id) ?? 0) + 1);
        last.set(`${id} ${name}`, count);
      }
    }),
  );

  expect([...statuses.keys()]).toEqual([200]);
  for (const id of ids) {
    const { version, metadata } = JSON.parse(await world.row(id));
    expect(version).toBe(1 + (changes.get(id) ?? 0));
    const expected = clients.flatMap((name) => {
      const count = last.get(`${id} ${name}`);
      return count === undefined ? [] : [[name, count]];
    });
    expect(metadata).toEqual(Object.fromEntries(expected));
    expect((await world.history(id)).map((entry) => entry.version)).toEqual(
      Array.from({ length: version }, (_, at) => at + 1),
    );
  }
  const { rows } = await world.sql.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
  expect(rows).toEqual([{ deadlocks: '0' }]);
}, 60_000);

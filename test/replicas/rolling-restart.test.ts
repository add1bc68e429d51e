import { Agent, request } from 'node:http';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { startComposition } from '../support/composition.ts';
import { build } from '../support/process.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

/** A client with one connection, which it keeps as long as the proxy does. */
function openClient(origin: string, key: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return (method: string, path: string, body = '') =>
    new Promise<number | string>((resolve) => {
      const sent = request(`${origin}${path}`, { method, agent, headers }, (answer) => {
        answer.on('error', (error) => resolve(error.message));
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
      });
      sent.on('error', (error) => resolve(error.message)).end(body);
    });
}

test('while both servers are restarted under load every request is answered 200 and every acknowledged change is stored', () =>
  unlessTooSlow(async ({ timed, atEnd }) => {
    const { origin, program } = await startComposition(world, { env: { LOG_LEVEL: 'warn' }, atEnd });
    const { id: companyId, key } = await world.company();
    const ids = (await Promise.all(Array.from({ length: 20 }, () => world.agent(companyId)))).map(({ id }) => id);
    const answers = new Map<number | string, number>();
    const changes = new Map(ids.map((id) => [id, 0]));
    const acknowledged = new Map<string, Record<string, number>>(ids.map((id) => [id, {}]));
    let isOver = false;
    atEnd(async () => {
      isOver = true;
    });

    // Each client counts up in a metadata key of its own in every agent; every other request is a read.
    const clients = Array.from({ length: 16 }, async (_, at) => {
      const client = openClient(origin, key);
      const send = (...call: Parameters<typeof client>) => timed(client(...call));
      for (let count = 1; !isOver; count += 1) {
        const id = ids[(count * 7 + at * 3) % ids.length] ?? '';
        const status = await send('PATCH', `/agents/${id}`, JSON.stringify({ metadata: { [`client${at}`]: count } }));
        if (status === 200) {
          changes.set(id, (changes.get(id) ?? 0) + 1);
          acknowledged.set(id, { ...acknowledged.get(id), [`client${at}`]: count });
        }
        for (const answer of [status, await send('GET', `/agents/${id}`)]) {
          answers.set(answer, (answers.get(answer) ?? 0) + 1);
        }
      }
    });
    const served = () => [...answers.values()].reduce((sum, count) => sum + count, 0);
    const untilServed = async (more: number) => {
      const goal = served() + more;
      await vi.waitUntil(() => served() >= goal, { timeout: 60_000 });
    };
    await untilServed(500);
    program.signal('SIGHUP');
    await program.until(/^(server-1 ended) /m);
    // Ignored, as a restart is under way.
    program.signal('SIGHUP');
    await program.until(/^(Restarted both servers)$/m);
    await untilServed(500);
    isOver = true;
    await Promise.all(clients);

    expect([...answers.keys()]).toEqual([200]);
    expect(program.stdout.match(/^server-[12] ended .*$/gm)).toEqual([
      'server-1 ended with 0',
      'server-2 ended with 0',
    ]);
    for (const id of ids) {
      const { version, metadata } = JSON.parse(await world.row(id));
      expect(metadata).toEqual(acknowledged.get(id));
      expect(version).toBe(1 + (changes.get(id) ?? 0));
      const versions = (await world.history(id)).map((entry) => entry.version);
      expect(versions).toEqual(Array.from({ length: version }, (_, at) => at + 1));
    }
    program.signal('SIGTERM');
    expect(await program.exit).toEqual({ code: 0, signal: null });
  }));

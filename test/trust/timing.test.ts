import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { makeKey } from '../../src/auth/api-key.ts';
import { newSubject } from '../support/patch-agent.ts';
import { startServer } from '../support/process.ts';
import { openWorld } from '../support/world.ts';
import { median, rankDistance } from './support/samples.ts';

/** Requests of each kind. */
const each = 3_000;
/** Rank distances that chance exceeds once in a hundred thousand times. */
const chance = 4.5;

const world = await openWorld({ docs: false });

interface Probe {
  readonly status: number;
  readonly key: () => string;
  readonly path: string;
}

/**
 * Sends the kinds in random order, one after the other on one connection; returns the microseconds until each answer.
 */
async function measure<Kind extends string>(origin: string, probes: Readonly<Record<Kind, Probe>>) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const ask = ({ status, key, path }: Probe): Promise<number> => {
    const headers = { authorization: `Bearer ${key()}` };
    const start = process.hrtime.bigint();
    return new Promise((resolve, reject) => {
      request(`${origin}${path}`, { agent, headers }, (answer) => {
        const took = Number(process.hrtime.bigint() - start) / 1_000;
        answer.resume().on('end', () => (answer.statusCode === status ? resolve(took) : reject(answer.statusCode)));
      })
        .on('error', reject)
        .end();
    });
  };
  const kinds = Object.entries<Probe>(probes).map(([name, probe]) => ({ name, probe, times: [] as number[] }));
  for (let round = -100; round < each; round += 1) {
    for (const { probe, times } of kinds.toSorted(() => Math.random() - 0.5)) {
      const took = await ask(probe);
      // The first ones are a warm-up.
      if (round >= 0) times.push(took);
    }
  }
  for (const { name, times } of kinds) console.log(`${name}: median ${median(times).toFixed(1)} µs`);
  return Object.fromEntries(kinds.map(({ name, times }) => [name, times]));
}

const startQuiet = () =>
  startServer({
    ...{ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, LOG_LEVEL: 'warn' },
    ...{ RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0', RATE_LIMIT_REFUSED_PER_MINUTE: '0' },
  });

const otherThan = (digit: string | undefined) => (digit === 'a' ? 'b' : 'a');

test('a key that differs slightly from a valid one is refused as fast as any unknown key', async () => {
  const { id, key, companyId } = await newSubject(world);
  const revoked = await world.newKey(companyId);
  await world.keys.revoke(revoked.id);
  const { origin } = await startQuiet();
  const refused = (wrong: () => string): Probe => ({ status: 401, path: `/agents/${id}`, key: wrong });
  const times = await measure(origin, {
    unknown: refused(makeKey),
    'another unknown one': refused(makeKey),
    'valid except for the last digit': refused(() => key.slice(0, -1) + otherThan(key.at(-1))),
    'valid except for the first digit': refused(() => `sk_${otherThan(key[3])}${key.slice(4)}`),
    revoked: refused(() => revoked.key),
    malformed: refused(() => makeKey().slice(0, -1)),
  });
  const { unknown = [], malformed = [] } = times;
  const distance = (kind: string) => Math.abs(rankDistance(unknown, times[kind] ?? []));
  console.log(Object.fromEntries(Object.keys(times).map((kind) => [kind, distance(kind).toFixed(2)])));

  expect(distance('another unknown one')).toBeLessThan(chance);
  expect(distance('valid except for the last digit')).toBeLessThan(chance);
  expect(distance('valid except for the first digit')).toBeLessThan(chance);
  // Shows that the measurement detects a difference: a malformed key makes no query, which is no secret.
  expect(rankDistance(malformed, unknown)).toBeGreaterThan(chance);
});

test('unknown ids are answered 404 equally fast; the times of a deleted agent and of a 403 are printed', async () => {
  const { key, companyId } = await newSubject(world);
  const deleted = await world.agent(companyId);
  await world.deleteAgent(deleted.id);
  const others = await newSubject(world);
  const { origin } = await startQuiet();
  const never = Array.from({ length: 2 }, () => `/agents/${randomUUID()}`);
  const answered = (status: number, path = ''): Probe => ({ status, path, key: () => key });
  const times = await measure(origin, {
    never: answered(404, never[0]),
    'another unknown id': answered(404, never[1]),
    deleted: answered(404, `/agents/${deleted.id}`),
    'of another company': answered(403, `/agents/${others.id}`),
  });
  const { never: reference = [] } = times;
  console.log(
    Object.fromEntries(Object.entries(times).map(([kind, some]) => [kind, rankDistance(reference, some).toFixed(2)])),
  );
  expect(Math.abs(rankDistance(reference, times['another unknown id'] ?? []))).toBeLessThan(chance);
});

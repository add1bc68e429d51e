import { beforeAll, expect, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { mergeWithinLimits } from '../../src/agents/rules/metadata.ts';
import { agentPatchSchema } from '../../src/agents/schema.ts';
import { invalid } from '../../src/http/problems.ts';
import { compile } from '../../src/http/validation.ts';
import { costlyBodies, slowToParse } from '../support/costly-bodies.ts';
import { send } from '../support/http.ts';
import { newSubject } from '../support/patch-agent.ts';
import { build, startServer } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });

beforeAll(build);

/** Statuses of bodies that are accepted and change little or nothing. */
const accepted = ['null for keys that do not exist', 'a repeated key'];

/** Measured requests of each kind, after as many for warm-up. */
const each = 10;

/** The processor time of this process during a task, in milliseconds, on average. */
function costOf(task: () => unknown): number {
  for (let round = 0; round < each; round += 1) task();
  const before = process.cpuUsage();
  for (let round = 0; round < each; round += 1) task();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / each;
}

const slowestParsing = () => Math.max(...slowToParse.map(({ text }) => costOf(() => JSON.parse(text))));

test('no body of 256 KiB costs the server more than ten times the parsing of the slowest valid JSON of that size', async () => {
  const { id, key } = await newSubject(world);
  const metricsPort = await freePort();
  const { origin } = await startServer({
    ...{ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, LOG_LEVEL: 'warn' },
    ...{ RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0', METRICS_PORT: String(metricsPort) },
  });
  const used = async () => {
    const { text } = await send(`http://127.0.0.1:${metricsPort}`, { method: 'GET', path: '/metrics' });
    return Number(/^process_cpu_seconds_total ([\d.e-]+)$/m.exec(text)?.[1]) * 1_000;
  };
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const sendEach = async (body: string) => {
    const statuses = new Set<number>();
    for (let round = 0; round < each; round += 1) {
      statuses.add((await send(origin, { path: `/agents/${id}`, headers, body })).status);
    }
    return [...statuses];
  };
  const bound = 10 * slowestParsing();
  const costs: Record<string, number> = {};
  for (const [kind, body] of Object.entries(costlyBodies)) {
    expect(Buffer.byteLength(body), kind).toBeLessThanOrEqual(256 * 1024);
    await sendEach(body);
    const before = await used();
    expect(await sendEach(body), kind).toEqual([accepted.includes(kind) ? 200 : 400]);
    costs[kind] = ((await used()) - before) / each;
  }
  console.table(Object.fromEntries(Object.entries(costs).map(([kind, cost]) => [kind, (cost / bound).toFixed(2)])));
  expect(Object.entries(costs).filter(([, cost]) => !(cost <= bound))).toEqual([]);
});

const wrongEverywhere = [
  'numbers that are not finite',
  'unpaired surrogates',
  'repeated keys __proto__',
  'wrong numbers in objects of many shapes',
  'unknown members',
  'unknown members close to known ones',
];

test.for(wrongEverywhere)(
  '5,000 and more faults cost at most ten times the parsing, because those after the twentieth are only counted: %s',
  (kind) => {
    const text = costlyBodies[kind] ?? '';
    const body: unknown = JSON.parse(text);
    const validate = compile(agentPatchSchema, 'body');
    const validateAndReport = () =>
      validate(body) || invalid(validate.faults.first, validate.faults.count).problem('', '');
    validateAndReport();
    expect([validate.faults.first.length, validate.faults.count > 5_000]).toEqual([20, true]);
    const ratio = costOf(validateAndReport) / costOf(() => JSON.parse(text));
    console.log(`${kind}: ${ratio.toFixed(1)} times`);
    expect(ratio).toBeLessThan(10);
  },
);

test('too many keys cost the same in any order, because they are counted before they are sorted', () => {
  const { metadata } = JSON.parse(costlyBodies['too many keys in no order'] ?? '');
  const sorted = Object.fromEntries(
    Object.keys(metadata)
      .toSorted()
      .map((key) => [key, 1]),
  );
  for (const wrap of [(keys: object) => ({ ...keys }), (keys: object) => ({ n: [keys] })]) {
    const [inNoOrder, inOrder] = [metadata, sorted].map((keys) => costOf(() => mergeWithinLimits({}, wrap(keys))));
    console.log(`sorted ${inOrder?.toFixed(1)} ms, in no order ${inNoOrder?.toFixed(1)} ms`);
    expect(inNoOrder).toBeLessThan(2 * (inOrder ?? 0));
  }
});

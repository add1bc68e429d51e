import { expect, inject, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { send } from '../support/http.ts';
import { type Call, type Client, openClient, startUnlimited } from '../support/kept-client.ts';
import { type Attempt, unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const isShort = inject('isShort');
const minutes = isShort ? 1 : 10;
/** Equal parts of the time, each measured separately. The first is the warm-up. */
const parts = 10;
const connections = 32;
const agents = 200;

/** Agents, a key of their company, and what measures requests. */
interface Targets extends Pick<Attempt, 'timed'> {
  readonly key: string;
  readonly ids: readonly string[];
}

/** The measurements of one part. */
interface Part {
  readonly requests: number;
  readonly p99: number;
  /** Megabytes: resident, and the smallest heap that was seen, which is what remains after garbage collections. */
  readonly resident: number;
  readonly heap: number;
  readonly handles: number;
}

/** Reads the metrics as Prometheus does. */
async function readMetrics(port: number): Promise<(name: string) => number> {
  const { text } = await send(`http://127.0.0.1:${port}`, { method: 'GET', path: '/metrics' });
  return (name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

/** Runs all clients, each with the next request once the last is answered; returns the time of each. */
async function fire(origin: string, { key, ids, timed }: Targets, seconds: number): Promise<number[]> {
  const end = performance.now() + seconds * 1_000;
  const times: number[] = [];
  let number = 0;
  const ask = async (client: Client): Promise<void> => {
    while (performance.now() < end) {
      number += 1;
      const { status, ...call } = nextCall(ids, number);
      const start = performance.now();
      const answer = await timed(client(origin, call));
      times.push(performance.now() - start);
      expect(answer.status).toBe(status);
    }
  };
  const ends: (() => Promise<void>)[] = [];
  await Promise.all(Array.from({ length: connections }, () => ask(openClient(key, (task) => ends.push(task)))));
  for (const task of ends) await task();
  return times;
}

/** A read, a change, or now and then a refused request, and the expected status. */
function nextCall(ids: readonly string[], number: number): Call & { readonly status: number } {
  const path = `/agents/${ids[number % ids.length]}`;
  if (number % 4 === 0) return { line: `GET ${path}`, status: 200 };
  const isRefused = number % 50 === 1;
  const body = { name: isRefused ? '' : `Agent ${number}`, metadata: { number } };
  return { line: `PATCH ${path}`, body, status: isRefused ? 400 : 200 };
}

async function readOnce(port: number) {
  const read = await readMetrics(port);
  return {
    resident: read('process_resident_memory_bytes') / 2 ** 20,
    heap: read('nodejs_heap_size_used_bytes') / 2 ** 20,
    handles: read('nodejs_active_resources_total'),
  };
}

/** Measures one part: reads the metrics each second under load. */
async function measure(origin: string, port: number, targets: Targets, seconds: number): Promise<Part> {
  const begun: ReturnType<typeof readOnce>[] = [];
  const timer = setInterval(() => {
    const reading = readOnce(port);
    // It is awaited below, unless the load fails before.
    reading.catch(() => {});
    begun.push(reading);
  }, 1_000);
  const times = await fire(origin, targets, seconds).finally(() => clearInterval(timer));
  const readings = await Promise.all(begun);
  times.sort((a, b) => a - b);
  return {
    requests: times.length,
    p99: times[Math.floor(times.length * 0.99)] ?? 0,
    resident: median(readings.map((reading) => reading.resident)),
    heap: Math.min(...readings.map((reading) => reading.heap)),
    handles: median(readings.map((reading) => reading.handles)),
  };
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const kept = isShort ? 'handles and listeners' : 'memory, handles, listeners and p99';

test(`at full load for ${minutes} min, after the warm-up, ${kept} do not grow`, () =>
  unlessTooSlow(async (attempt) => {
    const port = await freePort();
    const { server, origin } = await startUnlimited(world, { METRICS_PORT: String(port) }, attempt.atEnd);
    const { id: companyId, key } = await world.company();
    const ids: string[] = [];
    while (ids.length < agents) ids.push((await world.agent(companyId)).id);
    const measured: Part[] = [];
    for (let part = 0; part < parts; part += 1) {
      const one = await measure(origin, port, { key, ids, timed: attempt.timed }, (minutes * 60) / parts);
      measured.push(one);
      const { requests, p99, resident, heap, handles } = one;
      const memory = `${resident.toFixed(0)} MB resident, ${heap.toFixed(0)} MB of heap`;
      console.log(`part ${part + 1}: ${requests} requests, p99 ${p99.toFixed(1)} ms, ${memory}, ${handles} handles`);
    }
    const [, ...warm] = measured;
    const [early, late] = [warm.slice(0, 3), warm.slice(-3)];
    const growth = (of: (part: Part) => number) => median(late.map(of)) - median(early.map(of));
    // If one were kept per request there would be tens of thousands by now.
    expect(growth(({ handles }) => handles)).toBeLessThan(connections);
    // Node warns when listeners are added repeatedly.
    expect(server.stderr).toBe('');
    // In a minute there are too few garbage collections to see growth.
    if (isShort) return;
    expect(growth(({ heap }) => heap)).toBeLessThan(10);
    expect(growth(({ resident }) => resident)).toBeLessThan(40);
    // Other processes on the machine make it vary.
    expect(growth(({ p99 }) => p99)).toBeLessThan(0.5 * median(early.map(({ p99 }) => p99)));
  }));

import { readFileSync } from 'node:fs';
import { Value } from '@sinclair/typebox/value';
import autocannon from 'autocannon';
import { loadOrderSchema } from './order.ts';

// The load generator if wrk is not installed: a process of its own. Prints one JSON value.

const order = Value.Parse(loadOrderSchema, JSON.parse(process.argv[2] ?? ''));

const targets = lines(order.targets).map((line) => line.split(' '));
const bodies = lines(order.bodies);
let number = order.first;

function lines(file: string): string[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n');
}

function nextRequest(request: autocannon.Request): autocannon.Request {
  const [path, key] = targets[Math.floor(Math.random() * targets.length)] ?? [];
  const authorization = `Bearer ${key}`;
  // Autocannon reuses the options of the previous request on a connection, so a GET must remove the body.
  if (Math.random() * 100 < order.reads)
    return { ...request, method: 'GET', path, headers: { authorization }, body: '' };
  number += 1;
  const form = (number * 2) % bodies.length;
  const body = `${bodies[form]}${number}${bodies[form + 1]}`;
  return { ...request, method: 'PATCH', path, headers: { authorization, 'content-type': 'application/json' }, body };
}

/** Milliseconds that each answer took. */
const times: number[] = [];

function fire(port: number): Promise<autocannon.Result> {
  return new Promise((resolve, reject) => {
    const done = (error: unknown, result: autocannon.Result) => (error ? reject(error) : resolve(result));
    autocannon(optionsFor(port), done).on('response', (_client, _status, _bytes, time) => times.push(time));
  });
}

function optionsFor(port: number): autocannon.Options {
  return {
    url: `http://127.0.0.1:${port}`,
    connections: order.connections / order.ports.length,
    duration: order.seconds,
    timeout: 30,
    requests: [{ method: 'PATCH', setupRequest: nextRequest }],
  };
}

const results = await Promise.all(order.ports.map(fire));
times.sort((a, b) => a - b);
const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
const failures = results.reduce((sum, { errors, timeouts, non2xx }) => sum + errors + timeouts + non2xx, 0);
const seconds = Math.max(...results.map(({ duration }) => duration));
console.log(JSON.stringify({ requests: times.length, seconds, p50: at(0.5), p99: at(0.99), failures }));

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Value } from '@sinclair/typebox/value';
import { expect, test } from 'vitest';
import { plot } from '../../bench/plot.ts';
import { type Results, resultsSchema } from '../../bench/results.ts';
import { judge, sentenceOf } from '../../bench/targets.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (name: string) => readFileSync(join(root, name), 'utf8');
const results: Results = Value.Parse(resultsSchema, JSON.parse(read('bench/results.json')));

test('the verdicts on the targets in bench/results.json follow from its measurements', () => {
  expect(results.targets).toEqual(judge(results.rows, results.soak));
});

test('the README states which targets bench/results.json meets, misses and did not measure, and by how much', () => {
  const sentence = /<!-- bench -->([\s\S]*?)<!-- \/bench -->/.exec(read('README.md'))?.[1];
  expect(sentence).toBe(sentenceOf(results.targets));
});

test('bench/results.svg is the plot of bench/results.json', () => {
  expect(read('bench/results.svg')).toBe(plot(results));
});

test('bench/measurements.md says of each missed target where the time goes and what was tried', () => {
  const [, table = ''] = /^## What is missed\n([\s\S]*)/m.exec(read('bench/measurements.md')) ?? [];
  const rows = [...table.matchAll(/^\| (.+) \| (.+) \| (.+) \|$/gm)].map(([, ...cells]) => cells);
  const explained = rows.flatMap(([targets = '']) => targets.split('; '));
  const missed = results.targets.filter(({ met }) => met === false).map(({ what }) => what);
  expect(missed.filter((what) => !explained.includes(what))).toEqual([]);
});

test('no-op registers plugins in the order of the server', () => {
  const registered = (file: string) => [...read(file).matchAll(/\.register\((?!async)(\w+)/g)].map(([, name]) => name);
  const own = registered('bench/contestants/no-op.ts');
  expect(own.length).toBeGreaterThan(3);
  expect(own).toEqual(registered('src/app.ts').filter((name) => own.includes(name)));
});

test('a target is compared with the median of the ratios within each round, not with the ratio of medians', () => {
  // The machine was slower in each round. The ratios are 2, 2.5 and 1.6; the ratio of the medians would be 2.5.
  const row = (title: string, speeds: readonly number[]) => {
    const measured = { title, connections: 64, requestsPerSecond: 0, p50: 1, p99: 2, cpuPerThousand: 1, peakMemory: 1 };
    const rounds = speeds.map((requestsPerSecond, index) => ({
      ...measured,
      requestsPerSecond,
      round: index + 1,
      acknowledged: 1,
    }));
    return { ...measured, rounds };
  };
  const rows = [row('this server', [1000, 500, 200]), row('fastify-pg', [500, 200, 125])];
  const [judged] = judge(rows, undefined);
  expect(judged).toEqual({
    what: 'requests/s against fastify-pg, 64 connections',
    direction: 'at least',
    target: 2,
    unit: '',
    reached: { median: 2, lowest: 1.6, highest: 2.5 },
    met: true,
  });
  expect(sentenceOf(judge(rows, undefined).slice(0, 3))).toBe(
    '1 of 3 targets are met: requests/s against fastify-pg, 64 connections (2, target at least 2); not measured: requests/s against express-prisma, 64; requests/s against fastify-pg, 16.',
  );
});

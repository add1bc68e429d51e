import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prometheus } from '../../../src/metrics/prometheus.ts';

const docs = join(import.meta.dirname, '..', '..', '..', 'docs');
const { registry } = prometheus({
  poolUse: () => ({ busy: 0, idle: 0, waiting: 0 }),
  droppedLogLines: () => 0,
  historyBytes: async () => 0,
});
const known = await registry.getMetricsAsJSON();

test('docs/metrics.md lists exactly the server’s own metrics, with their types', () => {
  const [, table = ''] =
    /<!-- metrics -->([\s\S]*)<!-- \/metrics -->/.exec(readFileSync(join(docs, 'metrics.md'), 'utf8')) ?? [];
  const listed = [...table.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, name, type]) => ({ name, type }));
  const own = known
    .filter(({ name }) => name.startsWith('interview_agents_'))
    .map(({ name, type }) => ({ name, type }));
  expect(listed).toEqual(own);
});

test('docs/metrics.md and the dashboard name only metrics that exist, and the dashboard shows every one of the server’s own', () => {
  const names = new Set(known.map(({ name }) => name));
  const base = (name: string) => (names.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''));
  const namedIn = (file: string) => [
    ...new Set(
      (readFileSync(join(docs, file), 'utf8').match(/\b(interview_agents|nodejs|process)_\w+/g) ?? []).map(base),
    ),
  ];
  for (const file of ['metrics.md', 'grafana-dashboard.json']) {
    expect(namedIn(file).filter((name) => !names.has(name))).toEqual([]);
  }
  expect(namedIn('grafana-dashboard.json')).toEqual(
    expect.arrayContaining([...names].filter((name) => name.startsWith('interview_agents_'))),
  );
});

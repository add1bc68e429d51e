import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { runToEnd } from '../support/process.ts';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'deploy', 'prometheus');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[];
}
interface Cases {
  readonly tests: readonly {
    readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts?: readonly unknown[] }[];
  }[];
}

const rules: Rules = parse(read('deploy/prometheus/alerts.yml'));
const cases: Cases = parse(read('deploy/prometheus/alerts.test.yml'));
const alerts = rules.groups.flatMap((group) => group.rules.map(({ alert }) => alert));

test.each([
  ['the sample configuration and the rules that it names are valid', 'check', 'config', 'prometheus.yml'],
  ['the rules hold in all of their cases', 'test', 'rules', 'alerts.test.yml'],
])('%s', async (_, ...parameters) => {
  const { code, stdout, stderr } = await runToEnd(['promtool', ...parameters], { cwd: folder });
  expect(code, `${stdout}${stderr}`).toBe(0);
  expect(stdout).toContain('SUCCESS');
});

test('every alert has a case in which it fires, and one in which it is silent', () => {
  const all = cases.tests.flatMap(({ alert_rule_test }) => alert_rule_test);
  const named = (fires: boolean) =>
    new Set(all.filter(({ exp_alerts = [] }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname));
  expect(alerts.length).toBeGreaterThan(0);
  expect([...named(true)].toSorted()).toEqual(alerts.toSorted());
  expect([...named(false)].toSorted()).toEqual(alerts.toSorted());
});

test('docs/operate.md says what to do about every alert, in the order of the rules', () => {
  const [, section = ''] = /^## Alerts\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(read('docs/operate.md')) ?? [];
  expect([...section.matchAll(/^\| `(InterviewAgents\w+)` \|/gm)].map(([, name]) => name)).toEqual(alerts);
});

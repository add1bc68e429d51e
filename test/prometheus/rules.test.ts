import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { commandsIn } from '../support/docs.ts';
import { runToEnd } from '../support/process.ts';

const root = join(import.meta.dirname, '..', '..');
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

test('the commands of docs/operate.md accept the configuration and its rules, and the rules hold in all test cases', async () => {
  const [check = '', ...more] = commandsIn('docs/operate.md', 'Alerts');
  expect(more).toEqual([]);
  const { code, stdout, stderr } = await runToEnd(['bash', '-ec', check]);
  expect(code, `${stdout}${stderr}`).toBe(0);
  expect(stdout).toMatch(
    /SUCCESS: .*prometheus\.yml(.|\n)*SUCCESS: \d+ rules found(.|\n)*Unit Testing: (.|\n)*SUCCESS\n/,
  );
});

test('every alert has a case in which it fires, and one in which it does not', () => {
  const all = cases.tests.flatMap(({ alert_rule_test }) => alert_rule_test);
  const named = (fires: boolean) =>
    new Set(all.filter(({ exp_alerts = [] }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname));
  expect(alerts.length).toBeGreaterThan(0);
  expect([...named(true)].toSorted()).toEqual(alerts.toSorted());
  expect([...named(false)].toSorted()).toEqual(alerts.toSorted());
});

test('docs/operate.md explains what to do about every alert, in the order of the rules', () => {
  const [, section = ''] = /^## Alerts\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(read('docs/operate.md')) ?? [];
  expect([...section.matchAll(/^\| `(InterviewAgents\w+)` \|/gm)].map(([, name]) => name)).toEqual(alerts);
});

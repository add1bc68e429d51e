import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { allBlocks, pages } from '../support/docs.ts';

const root = join(import.meta.dirname, '..', '..');

/** Commands that tests run: page, section, number of blocks, and the test that runs all of them. */
const run = [
  ['README.md', 'Five requests', 6, 'test/process/readme.test.ts'],
  ['docs/backup.md', 'Backup and restore', 1, 'test/postgres/operate.test.ts'],
  ['docs/backup.md', 'Dump', 1, 'test/postgres/backup.test.ts'],
  ['docs/backup.md', 'Restore', 2, 'test/postgres/backup.test.ts'],
  ['docs/backup.md', 'Check', 4, 'test/postgres/backup.test.ts'],
  ['docs/backup.md', 'Check', 1, 'test/postgres/operate.test.ts'],
  ['docs/backup.md', 'Continuous archiving', 2, 'test/postgres/recovery.test.ts'],
  ['docs/backup.md', 'Recovery to a moment', 4, 'test/postgres/recovery.test.ts'],
  ['docs/backup.md', 'Recovery to a moment', 1, 'test/postgres/recovery-debian.test.ts'],
  ['docs/client.md', 'A typed client', 1, 'test/process/client.test.ts'],
  ['docs/client.md', 'A change', 1, 'test/process/client.test.ts'],
  ['docs/client.md', 'Other generators', 2, 'test/process/generators.test.ts'],
  ['docs/high-availability.md', "Try it from Debian's packages", 2, 'test/failover/documents.test.ts'],
  ['docs/metrics.md', 'Metrics', 2, 'test/process/metrics.test.ts'],
  ['docs/operate.md', 'From an empty PostgreSQL', 6, 'test/postgres/operate.test.ts'],
  ['docs/operate.md', 'The secret of the keys', 4, 'test/postgres/operate.test.ts'],
  ['docs/operate.md', 'Logs', 3, 'test/prometheus/log.test.ts'],
  ['docs/operate.md', 'Traces', 1, 'test/process/traces.test.ts'],
  ['docs/operate.md', 'Alerts', 1, 'test/prometheus/rules.test.ts'],
  ['docs/operate.md', 'The command line', 1, 'test/postgres/operate.test.ts'],
  ['docs/operate.md', 'A key that leaked', 2, 'test/postgres/operate.test.ts'],
  ['docs/operate.md', 'A key that leaked', 1, 'test/postgres/leaked-key.test.ts'],
  ['docs/operate.md', 'Export and erase a company', 2, 'test/postgres/operate.test.ts'],
  ['docs/operate.md', 'Prune the history', 1, 'test/postgres/operate.test.ts'],
  ['docs/operate.md', 'What grows', 1, 'test/postgres/operate.test.ts'],
  ['docs/operate.md', 'What grows', 1, 'test/postgres/limits.test.ts'],
  ['docs/replicas.md', "From Debian's packages", 3, 'test/replicas/documents.test.ts'],
  ['docs/replicas.md', 'Restarting without a failed request', 1, 'test/replicas/documents.test.ts'],
  ['docs/upgrade.md', 'Upgrade', 2, 'test/process/upgrade.test.ts'],
  ['docs/upgrade.md', 'When a migration fails', 2, 'test/postgres/vacuumed-history.test.ts'],
  ['docs/upgrade.md', 'When a migration fails', 1, 'test/postgres/killed-migration.test.ts'],
] as const;

const upgradeWithDocker = 'Docker; test/unit/compose-upgrade.test.ts runs it with a function in its place';

/** Commands that no test can run: page, section, number of blocks, reason. */
const notRun = [
  ['README.md', 'Start', 2, 'npm ci needs a package registry; test/process/embedded.test.ts runs what npm start runs'],
  ['bench/README.md', 'The benchmark', 1, 'eleven minutes of measurements, not a guarantee'],
  ['docs/client.md', 'A typed client', 1, 'npm install needs a package registry'],
  ['docs/client.md', 'Other generators', 2, 'npm install needs a package registry'],
  ['docs/high-availability.md', 'Try it with Docker', 1, 'Docker'],
  ['docs/high-availability.md', 'Try it with Docker', 1, upgradeWithDocker],
  ['docs/high-availability.md', "Try it from Debian's packages", 1, 'apt-get needs a mirror of Debian'],
  ['docs/operate.md', 'Traces', 1, 'npm install needs a package registry'],
  ['docs/operate.md', 'With Docker', 1, 'Docker'],
  ['docs/operate.md', 'With Docker', 1, upgradeWithDocker],
  ['docs/operate.md', 'Kubernetes', 1, 'a Kubernetes cluster; test/unit/kubernetes.test.ts reads the manifests'],
  ['docs/operate.md', 'systemd', 1, 'root on a machine that systemd runs; test/systemd/ checks the unit'],
  ['docs/replicas.md', "From Debian's packages", 1, 'apt-get needs a mirror of Debian'],
  ['docs/replicas.md', 'With Docker', 1, 'Docker; test/unit/compose.test.ts reads the file'],
  ['docs/replicas.md', 'Restarting without a failed request', 2, upgradeWithDocker],
] as const;

const all = pages().flatMap((page) => allBlocks(page).map((block) => ({ page, ...block })));

/** Languages of blocks that are shown and not pasted into a shell. */
const shown = ['go', 'http', 'ini', 'js', 'json', 'python', 'text', 'ts'];

test('every block of every page names its language, sh for commands, and none is indented', () => {
  expect(all.filter(({ language }) => ![...shown, 'sh'].includes(language))).toEqual([]);
});

test('every command of every page is run by a test, or listed with the reason why it cannot be', () => {
  const commands = all.filter(({ language }) => language === 'sh').map(({ page, section }) => `${page}: ${section}`);
  const listed = [...run, ...notRun].flatMap(([page, section, count]) =>
    Array.from({ length: count }, () => `${page}: ${section}`),
  );
  expect(commands.toSorted()).toEqual(listed.toSorted());
});

/** The packages that a page has installed above a place, with the version that it names: an exact one, or none. */
const installedIn = (commands: string) =>
  [...commands.matchAll(/^npm install (.*)$/gm)].flatMap(([, names = '']) =>
    names
      .split(' ')
      .filter((name) => !name.startsWith('--'))
      .map((name) => /^(@?[^@]+)(?:@(\d+\.\d+\.\d+))?/.exec(name) ?? [])
      .map(([, name = '', version]) => ({ name, version })),
  );

/** What package.json of an installed package says. */
const packageOf = (name: string): { version: string; bin?: string | Record<string, string> } =>
  JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'));

/** The programs of an installed package. */
function programsOf(name: string): string[] {
  const { bin = {} } = packageOf(name);
  return typeof bin === 'string' ? [name.replace(/^.*\//, '')] : Object.keys(bin);
}

test('npx runs only programs of packages that the page has installed before, in the version that its test uses', () => {
  const commands = all.filter(({ language }) => language === 'sh');
  const used = commands.flatMap(({ page, text }, at) =>
    [...text.matchAll(/^npx (\S+)/gm)].map(([, program = '']) => {
      const above = commands.slice(0, at + 1).filter((block) => block.page === page);
      const installed = installedIn(above.map((block) => block.text).join('\n'));
      const from = installed.find(({ name }) => programsOf(name).includes(program));
      const isOurs = from?.version === undefined || from.version === packageOf(from.name).version;
      return { page, program, isInstalled: from !== undefined, isOurs };
    }),
  );
  expect(used.length).toBeGreaterThan(3);
  expect(used.filter(({ isInstalled, isOurs }) => !isInstalled || !isOurs)).toEqual([]);
});

test.each(run)('%s: %s: its %i blocks are read by %s', (page, section, _, file) => {
  const text = readFileSync(join(root, file), 'utf8');
  expect(text).toContain(page);
  expect([page, section].every((name) => text.includes(name)) || text.includes(`commandsIn('${page}')`)).toBe(true);
});

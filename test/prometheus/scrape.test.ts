import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { freePort } from '../../deploy/replicas/programs.ts';
import { openLink } from '../support/database-link.ts';
import { send } from '../support/http.ts';
import { build, makeFolder, startProcess, startServer } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const world = await openWorld();
beforeAll(build);

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}
interface Rule {
  readonly name: string;
  readonly query: string;
  readonly state: string;
  readonly health: string;
  readonly lastError?: string;
}

const dashboard: Dashboard = JSON.parse(read('docs/grafana-dashboard.json'));
const queries = dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })));

const patient = { timeout: 60_000, interval: 200 };

/** Whether an alert fires or is pending, except those that depend on the load of the machine. */
const isActive = ({ name, state }: Rule) =>
  state !== 'inactive' && !/^InterviewAgents(Slow|Queue|EventLoop)$/.test(name);

/** A server, and a Prometheus that scrapes it as in the sample configuration, but every second. */
async function startMonitored(databaseUrl: string) {
  const metricsPort = await freePort();
  const { origin } = await startServer({
    DATABASE_URL: databaseUrl,
    API_KEY_SECRET: world.secret,
    METRICS_PORT: String(metricsPort),
  });
  const sample = parse(read('deploy/prometheus/prometheus.yml'));
  const [scraped] = sample.scrape_configs;
  const folder = await makeFolder();
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: sample.rule_files.map((name: string) => join(root, 'deploy', 'prometheus', name)),
    scrape_configs: [{ ...scraped, static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }] }],
  };
  await writeFile(join(folder, 'prometheus.yml'), stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  const command = `exec prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address=${address} 2>&1`;
  const program = startProcess(['sh', '-c', command], { cwd: folder });
  await program.until(/(Server is ready to receive web requests)/);
  const ask = async (path: string) => Object(await send(`http://${address}`, { method: 'GET', path })).body.data;
  return {
    origin,
    /** The current series of a query. */
    series: async (query: string): Promise<{ value: [number, string] }[]> =>
      (await ask(`/api/v1/query?query=${encodeURIComponent(query)}`)).result,
    rules: async (): Promise<Rule[]> => (await ask('/api/v1/rules')).groups[0]?.rules ?? [],
  };
}

test('every query of the dashboard has a series on a server that has answered only health checks', async () => {
  const { origin, series } = await startMonitored(world.databaseUrl);
  expect((await send(origin, { method: 'GET', path: '/health/ready' })).status).toBe(200);
  const empty = async () => {
    const found = await Promise.all(queries.map(async (one) => ({ ...one, count: (await series(one.expr)).length })));
    return found.filter(({ count }) => count === 0);
  };
  expect(queries.length).toBeGreaterThan(10);
  await vi
    .waitUntil(async () => (await empty()).length === 0, patient)
    .catch(async () => {
      expect(await empty()).toEqual([]);
    });
});

test('every metric of an alert is scraped from a server; no alert fires for a healthy one, and a lost database makes its alert fire', async () => {
  const link = await openLink(world.databaseUrl);
  const { origin, series, rules } = await startMonitored(link.url);
  await send(origin, { method: 'GET', path: '/health/ready' });
  const isEvaluated = async () => {
    const all = await rules();
    return all.length > 0 && all.every(({ health }) => health === 'ok');
  };
  await vi.waitUntil(isEvaluated, patient);
  const isUp = async () => (await series('interview_agents_database_up'))[0]?.value[1] === '1';
  await vi.waitUntil(isUp, patient);
  const before = await rules();
  const names = new Set(
    before.flatMap(({ query }) => query.match(/\b(?:up\b|(?:interview_agents|nodejs)_\w+)/g) ?? []),
  );
  for (const name of names) expect([name, (await series(name)).length > 0]).toEqual([name, true]);
  const waiting = async () => (await rules()).filter(isActive).map(({ name }) => name);
  // Before its first scrape Prometheus knows of no server, which is the alert InterviewAgentsDown until the next evaluation.
  await expect.poll(waiting, patient).toEqual([]);

  await link.cutOff();
  await expect.poll(waiting, patient).toEqual(['InterviewAgentsDatabaseUnavailable']);
});

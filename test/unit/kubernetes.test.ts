import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Deployment } from 'kubernetes-models/apps/v1';
import { Job } from 'kubernetes-models/batch/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, type IPodSpec, Service } from 'kubernetes-models/v1';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { environmentSchema, readConfig } from '../../src/config.ts';
import { commandsIn } from '../support/docs.ts';
import { longestAnswer } from '../support/longest-answer.ts';

// Kubernetes is not needed: these tests read the manifests, with the schemas of Kubernetes from a package.
const root = join(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const kinds = [Deployment, Job, PodDisruptionBudget, ConfigMap, Service];

const documentsIn = (file: string) => parseAllDocuments(read(`deploy/kubernetes/${file}`)).map((one) => one.toJS({}));

/**
 * A value that records which of its members are read. The schemas of Kubernetes allow unknown members, so a misspelt
 * name would pass validation; but no schema reads it.
 */
function watched(value: unknown, at: string, unread: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const seen = new Map<PropertyKey, unknown>();
  for (const key of Object.keys(value)) unread.add(`${at}/${key}`);
  return new Proxy(value, {
    get(target, key, receiver) {
      unread.delete(`${at}/${String(key)}`);
      if (!seen.has(key)) seen.set(key, watched(Reflect.get(target, key, receiver), `${at}/${String(key)}`, unread));
      return seen.get(key);
    },
  });
}

/** The faults of a manifest: the complaint of its schema, or members that no schema knows. */
function faultsOf(manifest: unknown): string[] {
  const kind = kinds.find((known) => known.kind === Object(manifest).kind);
  const unread = new Set<string>();
  try {
    // Validates the manifest itself, because the constructor copies all members.
    kind?.prototype.validate.call(watched(manifest, '', unread));
  } catch (error) {
    return [String(error)];
  }
  return kind ? [...unread] : ['an unknown kind'];
}

const files = ['server.yaml', 'migrate.yaml'];

describe.each(files)('%s', (file) => {
  test.each(documentsIn(file).map((manifest) => [manifest.kind, manifest]))(
    'its %s matches the schema of Kubernetes, without unknown members',
    (_, manifest) => expect(faultsOf(manifest)).toEqual([]),
  );
});

test('a value of the wrong type, a missing member, and a misspelt one at any depth are found', () => {
  const [, deployment] = documentsIn('server.yaml');
  const broken = (change: (pod: IPodSpec) => void) => {
    const copy = structuredClone(deployment);
    change(copy.spec.template.spec);
    return faultsOf(copy);
  };
  expect(broken((pod) => Object.assign(pod, { terminationGracePeriodSeconds: '30' }))[0]).toMatch(/integer/);
  expect(broken((pod) => Object.assign(pod.containers[0] ?? {}, { name: undefined }))[0]).toMatch(/name/);
  expect(
    broken((pod) => Object.assign(pod.containers[0]?.securityContext ?? {}, { readOnlyRootFileSystem: true })),
  ).toEqual(['/spec/template/spec/containers/0/securityContext/readOnlyRootFileSystem']);
  expect(faultsOf({ ...deployment, sepc: {} })).toEqual(['/sepc']);
});

const [configMap, deployment, service, budget] = documentsIn('server.yaml');
const [job] = documentsIn('migrate.yaml');
const pods: [string, IPodSpec][] = [
  ['the servers', deployment.spec.template.spec],
  ['the migration', job.spec.template.spec],
];
const containersOf = ({ containers, initContainers = [] }: IPodSpec) => [...initContainers, ...containers];

test('a failed migration is not retried before it is repaired', () => {
  expect(job.spec.backoffLimit).toBe(0);
});

test.each(pods)('%s run without privileges, on a read-only root file system, with a memory limit', (_, pod) => {
  expect(pod).toMatchObject({
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  });
  for (const { securityContext, resources } of containersOf(pod)) {
    expect(securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(resources).toMatchObject({ requests: { cpu: expect.any(String) }, limits: { memory: expect.any(String) } });
  }
});

test.each(pods)('%s use the image of this release, and get known variables only, secrets by reference', (_, pod) => {
  const { version }: { version: string } = JSON.parse(read('package.json'));
  const known = Object.keys(environmentSchema.properties);
  for (const { image, env = [] } of containersOf(pod)) {
    expect(image).toBe(`registry.example.com/interview-agents-api:${version}`);
    expect(known).toEqual(expect.arrayContaining(env.map(({ name }) => name)));
    for (const { name, value, valueFrom } of env) {
      expect(value).toBeUndefined();
      expect(valueFrom?.secretKeyRef).toMatchObject({ key: name });
    }
  }
});

test('the variables of the server are valid in production, and it is killed only after its pause and its drain', () => {
  const secrets = {
    DATABASE_URL: 'postgresql://agents_server:password@host:5432/interview_agents',
    API_KEY_SECRET: 'a'.repeat(64),
  };
  const { SHUTDOWN_GRACE_SECONDS, METRICS_PORT } = readConfig({
    ...configMap.data,
    ...secrets,
    NODE_ENV: 'production',
  });
  expect(SHUTDOWN_GRACE_SECONDS).toBeGreaterThanOrEqual(longestAnswer);
  const { terminationGracePeriodSeconds, containers } = deployment.spec.template.spec;
  const [{ lifecycle, ports, envFrom }] = containers;
  const [program, pause] = lifecycle.preStop.exec.command;
  expect(program).toBe('sleep');
  expect(terminationGracePeriodSeconds).toBeGreaterThan(Number(pause) + SHUTDOWN_GRACE_SECONDS);
  expect(envFrom).toEqual([{ configMapRef: { name: configMap.metadata.name } }]);
  expect(ports).toEqual([
    { name: 'http', containerPort: Number(/ PORT=(\d+)$/m.exec(read('Dockerfile'))?.[1]) },
    { name: 'metrics', containerPort: METRICS_PORT },
  ]);
});

test('the service and the disruption budget select the pods, and the probes request existing paths', () => {
  const { labels } = deployment.spec.template.metadata;
  expect(service.spec.selector).toEqual(labels);
  expect(deployment.spec.selector.matchLabels).toEqual(labels);
  expect(budget.spec.selector.matchLabels).toEqual(labels);
  expect(budget.spec.maxUnavailable).toBeLessThan(deployment.spec.replicas);
  expect(job.spec.template.metadata.labels).not.toEqual(labels);
  const [{ startupProbe, livenessProbe, readinessProbe }] = deployment.spec.template.spec.containers;
  const { paths }: { paths: object } = JSON.parse(read('openapi.json'));
  for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
    expect(httpGet.port).toBe('http');
    expect(paths).toHaveProperty([httpGet.path]);
  }
  // A server is not restarted because its database is down.
  expect([livenessProbe.httpGet.path, readinessProbe.httpGet.path]).toEqual(['/health/live', '/health/ready']);
});

test('docs/operate.md creates every secret that the manifests name, with the keys that they need', () => {
  const page = read('docs/operate.md');
  for (const { valueFrom } of pods.flatMap(([, pod]) => containersOf(pod).flatMap(({ env = [] }) => env))) {
    const { name, key, optional } = valueFrom?.secretKeyRef ?? {};
    const start = `kubectl create secret generic ${name} --from-env-file=/dev/stdin <<END\n`;
    const [, given = ''] = page.split(start);
    if (!optional) expect(given.split('END\n')[0]).toContain(`${key}=`);
  }
});

test('docs/operate.md hands over secrets where no list of processes shows them, and the one that keys were made with', () => {
  const commands = commandsIn('docs/operate.md', 'Kubernetes').join('\n');
  expect(commands).not.toMatch(/--from-literal|openssl/);
  expect(commands).toMatch(/^\. ~\/interview-agents\.sh\n(.|\n)*^API_KEY_SECRET=\$API_KEY_SECRET$/m);
});

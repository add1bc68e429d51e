import { existsSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { environmentSchema, readConfig } from '../../src/config.ts';
import { compose, root, secret } from '../support/compose-file.ts';
import { commandsIn } from '../support/docs.ts';
import { longestAnswer } from '../support/longest-answer.ts';
import { makeFolder, runToEnd } from '../support/process.ts';

// Docker is not needed: these tests read the Compose files.
const known = Object.keys(environmentSchema.properties);
const folderOf = (path: string) => join(root, dirname(path));

const files = ['docker-compose.yml', 'deploy/replicas/docker-compose.yml', 'deploy/ha/docker-compose.yml'];

describe.each(files)('%s', (path) => {
  const { services, service, networks, volumes, text } = compose(path);
  const serverNames = services.map(([name]) => name).filter((name) => name.startsWith('server'));

  test('every file, volume, network and service that it names exists', () => {
    for (const [, { build, volumes: mounts = [], networks: joined = [], depends_on: needs = {} }] of services) {
      const { context, dockerfile } =
        typeof build === 'object' ? build : { context: build ?? '.', dockerfile: 'Dockerfile' };
      if (build) expect(existsSync(join(folderOf(path), context, dockerfile))).toBe(true);
      for (const [source = ''] of mounts.map((mount) => mount.split(':'))) {
        if (source.startsWith('.')) expect(existsSync(join(folderOf(path), source))).toBe(true);
        else expect(Object.keys(volumes)).toContain(source);
      }
      for (const network of Array.isArray(joined) ? joined : Object.keys(Object(joined))) {
        expect(Object.keys(networks)).toContain(network);
      }
      for (const [needed, { condition }] of Object.entries(needs)) {
        const other = services.find(([name]) => name === needed)?.[1];
        expect(other).toBeDefined();
        // The Dockerfile of the servers has their health check.
        const isChecked = other?.healthcheck?.disable !== true && (other?.healthcheck || serverNames.includes(needed));
        if (condition === 'service_healthy') expect(isChecked).toBeTruthy();
      }
    }
  });

  test('the servers and the migrations get only variables that they know, and DATABASE_URL', () => {
    for (const name of [...serverNames, 'migrate']) {
      const names = Object.keys(service(name).environment ?? {});
      expect(known).toEqual(expect.arrayContaining(names));
      expect(names).toContain('DATABASE_URL');
    }
  });

  test('what is built from the Dockerfile runs without rights, on a root file system that is read only, with bounded memory', () => {
    const built = services.filter(([, { image }]) => image === 'interview-agents-api');
    expect(built.length).toBeGreaterThanOrEqual(3);
    for (const [, { read_only, cap_drop, security_opt, mem_limit }] of built) {
      expect({ read_only, cap_drop, security_opt }).toEqual({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
      expect(mem_limit).toBe('768m');
    }
  });

  test('the only program that a container runs by name is built from src', () => {
    const words = services.flatMap(([, { command = [] }]) => command).filter((word) => word.startsWith('dist/'));
    expect([...new Set(words)]).toEqual(['dist/migrate.js']);
    expect(existsSync(join(root, 'src', 'migrate.ts'))).toBe(true);
  });

  test('the variables of the servers are valid in production, where several serve one waits for an answer to be read, and the stop grace period is longer', () => {
    expect(serverNames.length).toBeGreaterThan(0);
    // One server alone serves nobody while it drains.
    const least = serverNames.length > 1 ? longestAnswer : 10;
    for (const name of serverNames) {
      const { environment = {} } = service(name);
      const given = Object.fromEntries(
        Object.entries(environment).map(([variable, value]) => [variable, String(value)]),
      );
      const { SHUTDOWN_GRACE_SECONDS } = readConfig({ ...given, NODE_ENV: 'production' });
      expect(SHUTDOWN_GRACE_SECONDS).toBeGreaterThanOrEqual(least);
      // After this time Docker kills.
      expect(Number(service(name).stop_grace_period?.replace(/s$/, ''))).toBeGreaterThan(SHUTDOWN_GRACE_SECONDS);
    }
  });

  test('the secret of the keys can be changed: each service that has it has the previous one too, from the same .env', () => {
    const having = services.filter(([, { environment = {} }]) => 'API_KEY_SECRET' in environment);
    expect(having.map(([name]) => name).toSorted()).toEqual(['admin', ...serverNames].toSorted());
    for (const [, { environment = {} }] of having) expect(environment['API_KEY_SECRET_PREVIOUS']).toBe('');
    const written = new Set([...text.matchAll(/SECRET_PREVIOUS: (.*)/g)].map(([, value]) => value));
    expect([...written]).toEqual([`\${API_KEY_SECRET_PREVIOUS:-}`]);
  });

  test('no secret is written in it, and published ports are reachable from this machine only', () => {
    for (const [, value = ''] of text.matchAll(/(?:PASSWORD|SECRET): (.*)/g)) expect(value).toMatch(/^\$\{\w+:\?.*\}$/);
    for (const [, password] of text.matchAll(/:\/\/\w+:(\S+)@/g)) expect(password).toMatch(/^\$\{\w+(\}$|:\?)/);
    const published = services.flatMap(([, { ports = [] }]) => ports);
    // The proxy's port; without a proxy those of the servers.
    expect(published).toHaveLength(services.some(([name]) => name === 'proxy') ? 1 : serverNames.length);
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
  });
});

describe('the Compose file with two servers', () => {
  const { service, text } = compose('deploy/replicas/docker-compose.yml');
  const file = (name: string) => readFileSync(join(root, 'deploy/replicas', name), 'utf8');
  const address = (name: string): unknown => Object(service(name).networks).front?.ipv4_address;

  test('the two servers differ only in their addresses', () => {
    const { networks: _, ...first } = service('server-1');
    const { networks: __, ...second } = service('server-2');
    expect(first).toEqual(second);
    expect(address('server-1')).not.toBe(address('server-2'));
  });

  test('nginx and PgBouncer get exactly the variables that their settings name', () => {
    const named = (name: string, pattern: RegExp) => [
      ...new Set([...file(name).matchAll(pattern)].map(([, variable]) => variable)),
    ];
    const given = (name: string) => Object.keys(service(name).environment ?? {});
    expect(named('nginx.conf.template', /\$\{(\w+)\}/g).toSorted()).toEqual(given('proxy').toSorted());
    const ofPgBouncer = named('pgbouncer.sh', /\$([A-Z_]+)/g).filter((name) => name !== 'FOLDER');
    expect(ofPgBouncer.toSorted()).toEqual(given('pgbouncer').toSorted());
    expect(file('pgbouncer.Dockerfile')).toMatch(/^ENV FOLDER=/m);
    expect(given('postgres')).toContain(/\\getenv password (\w+)/.exec(file('roles.sql'))?.[1]);
  });

  test('docs/replicas.md names its services, its port and the folder of drained servers', () => {
    const page = readFileSync(join(root, 'docs/replicas.md'), 'utf8');
    const { DRAIN_FOLDER, PROXY_LISTEN } = service('proxy').environment ?? {};
    for (const [, folder] of page.matchAll(/exec proxy \w+ (\/\w+)\/\$server/g)) expect(folder).toBe(DRAIN_FOLDER);
    expect(page).toContain('for server in server-1 server-2; do');
    const folder = /^ENV FOLDER=(.*)$/m.exec(file('pgbouncer.Dockerfile'))?.[1];
    const { LISTEN_PORT } = service('pgbouncer').environment ?? {};
    expect(page).toContain(`exec pgbouncer psql --host=${folder} --port=${LISTEN_PORT} `);
    expect(page).toContain(`curl http://127.0.0.1:${PROXY_LISTEN}/`);
    for (const [, names = ''] of page.matchAll(/for name in ([A-Z_ ]+); do/g)) {
      const demanded = new Set([...text.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name));
      expect(names.split(' ').toSorted()).toEqual([...demanded].toSorted());
    }
  });

  test('nginx is configured with both servers and is the only proxy that they trust, and the servers with what they need', () => {
    const { SERVER_1, SERVER_2, PROXY_LISTEN } = service('proxy').environment ?? {};
    expect([SERVER_1, SERVER_2]).toEqual(['server-1', 'server-2'].map((name) => `${address(name)}:3000`));
    expect(readFileSync(join(root, 'Dockerfile'), 'utf8')).toMatch(/ PORT=3000$/m);
    expect(service('proxy').ports).toEqual([`127.0.0.1:${PROXY_LISTEN}:${PROXY_LISTEN}`]);
    const { TRUST_PROXY, DATABASE_URL, REDIS_URL, DATABASE_PREPARED_STATEMENTS } =
      service('server-1').environment ?? {};
    expect(TRUST_PROXY).toBe(address('proxy'));
    const { LISTEN_PORT, ROLE, DATABASE } = service('pgbouncer').environment ?? {};
    expect(DATABASE_URL).toBe(`postgresql://${ROLE}:${secret}@pgbouncer:${LISTEN_PORT}/${DATABASE}`);
    expect(file('roles.sql')).toContain(`CREATE ROLE ${ROLE} `);
    expect(service('migrate').command).toEqual(['node', 'dist/migrate.js', '--server-role', ROLE]);
    expect(DATABASE_PREPARED_STATEMENTS).toBe('false');
    expect(REDIS_URL).toBe('redis://valkey:6379');
    // What docs/operate.md asks for.
    expect(service('valkey').command?.join(' ')).toContain('--maxmemory 256mb --maxmemory-policy noeviction');
    expect(text).not.toContain('9464:');
  });
});

test.each([
  ['docs/operate.md', 'With Docker'],
  ['docs/replicas.md', 'With Docker'],
  ['docs/high-availability.md', 'Try it with Docker'],
])(
  'the secrets that %s makes are for their owner alone, and are not made anew where they are',
  async (page, section) => {
    const [block = ''] = commandsIn(page, section);
    const [making = ''] = /^\([\s\S]*?\.env\)$/m.exec(block) ?? block.split('docker compose');
    const cwd = await makeFolder();
    const make = () =>
      runToEnd(['bash', '-c', `openssl() { echo $RANDOM; }\n${making.replace(/^cd .*$/m, '')}`], { cwd });
    expect(await make()).toEqual({ code: 0, stdout: '', stderr: '' });
    const { mode } = await stat(join(cwd, '.env'));
    expect(mode & 0o777).toBe(0o600);
    const made = readFileSync(join(cwd, '.env'), 'utf8');
    expect(made.trim().split('\n').length).toBeGreaterThanOrEqual(3);
    expect(await make()).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot overwrite existing file') });
    expect(readFileSync(join(cwd, '.env'), 'utf8')).toBe(made);
  },
);

test('the Dockerfile sets only variables that the server knows, and an unprivileged user', () => {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  const lines = [...dockerfile.matchAll(/^ENV (.*)$/gm)].map(([, line = '']) => line);
  const names = lines.flatMap((line) => [...line.matchAll(/(\w+)=/g)].map(([, name]) => name));
  expect(names).toContain('HOST');
  expect(known).toEqual(expect.arrayContaining(names));
  expect(dockerfile).toMatch(/^USER node$/m);
});

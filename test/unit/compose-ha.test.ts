import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compose, root, secret } from '../support/compose-file.ts';

const { service } = compose('deploy/ha/docker-compose.yml');
const file = (name: string) => readFileSync(join(root, 'deploy/ha', name), 'utf8');
const environmentOf = (name: string) => service(name).environment ?? {};
const address = (name: string): unknown => Object(service(name).networks).back?.ipv4_address;
const named = (name: string, pattern: RegExp) =>
  [...new Set([...file(name).matchAll(pattern)].map(([, variable = '']) => variable))].toSorted();

test('the nodes differ only in names, addresses and volumes, and the servers only in ports', () => {
  const comparable = (name: string) => {
    const { PATRONI_NAME, PATRONI_RESTAPI_CONNECT_ADDRESS, PATRONI_POSTGRESQL_CONNECT_ADDRESS, ...environment } =
      environmentOf(name);
    expect(PATRONI_NAME).toBe(name);
    expect(PATRONI_RESTAPI_CONNECT_ADDRESS).toBe(`${address(name)}:8008`);
    expect(PATRONI_POSTGRESQL_CONNECT_ADDRESS).toBe(`${address(name)}:5432`);
    const { networks: _, volumes, ...node } = service(name);
    expect(volumes).toEqual([`${name}:/var/lib/postgresql`]);
    return { ...node, environment };
  };
  expect(comparable('node-1')).toEqual(comparable('node-2'));
  expect(address('node-1')).not.toBe(address('node-2'));
  const served = (name: string) => {
    const { environment: { PORT, ...environment } = {}, ports, ...server } = service(name);
    expect(ports).toEqual([`127.0.0.1:${PORT}:${PORT}`]);
    return { ...server, environment };
  };
  expect(served('server-1')).toEqual(served('server-2'));
});

test('the nodes and HAProxy get the variables that run.ts sets and their settings name', () => {
  const ofNode = Object.keys(environmentOf('node-1'));
  expect(ofNode.filter((name) => name.startsWith('PATRONI_')).toSorted()).toEqual(
    named('cluster.ts', /(PATRONI_\w+)/g),
  );
  expect(ofNode).toEqual(expect.arrayContaining(named('roles.sql', /\\getenv \w+ (\w+)/g)));
  expect(Object.keys(environmentOf('haproxy')).toSorted()).toEqual(named('haproxy.cfg', /"\$(\w+)"/g));
  for (const copied of /^COPY (.*) \S+$/m.exec(file('debian.Dockerfile'))?.[1]?.split(' ') ?? ['']) {
    expect(existsSync(join(root, 'deploy/ha', copied))).toBe(true);
  }
});

test('HAProxy is configured with both nodes, the servers with HAProxy, and every URL has an existing role and database', () => {
  const { NODE_1, NODE_2, REST_1, REST_2, PRIMARY_LISTEN } = environmentOf('haproxy');
  expect([NODE_1, NODE_2]).toEqual(['node-1', 'node-2'].map((name) => `${address(name)}:5432`));
  expect([REST_1, REST_2]).toEqual([8008, 8008]);
  expect(PRIMARY_LISTEN).toBe('0.0.0.0:5000');
  const [owner, server] = named('roles.sql', /^CREATE ROLE (\w+)/gm);
  const [database] = named('roles.sql', /^CREATE DATABASE (\w+)/gm);
  const urlAs = (role = '') => `postgresql://${role}:${secret}@haproxy:5000/${database}`;
  for (const name of ['migrate', 'admin']) expect(environmentOf(name).DATABASE_URL).toBe(urlAs(owner));
  for (const name of ['settle', 'server-1', 'server-2']) expect(environmentOf(name).DATABASE_URL).toBe(urlAs(server));
  expect(service('migrate').command).toEqual(['node', 'dist/migrate.js', '--server-role', server]);
  expect(environmentOf('server-1').DATABASE_PREPARED_STATEMENTS).toBeUndefined();
});

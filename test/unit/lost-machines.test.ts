import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { commandsIn } from '../support/docs.ts';

const linesOf = (text: string, pattern: RegExp) => text.match(pattern) ?? [];

const settings = {
  tcp_user_timeout: "'10s'",
  tcp_keepalives_idle: '5',
  tcp_keepalives_interval: '2',
  tcp_keepalives_count: '3',
};

const lines = Object.entries(settings).map(([name, value]) => `ALTER ROLE agents_server SET ${name} = ${value};`);

test('the page and both files of roles have the same limits for a lost connection of the servers, and none for the owner', () => {
  const files = ['deploy/ha/roles.sql', 'deploy/replicas/roles.sql'].map((file) => readFileSync(file, 'utf8'));
  const [, page = ''] = commandsIn('docs/operate.md', 'From an empty PostgreSQL');
  for (const text of [page, ...files]) expect(linesOf(text, /^ALTER ROLE .*$/gm)).toEqual(lines);
});

test('PgBouncer has these limits too, and HAProxy all but the one that would break off a dump of the owner', () => {
  expect(linesOf(readFileSync('deploy/replicas/pgbouncer.sh', 'utf8'), /^tcp_.*$/gm)).toEqual([
    'tcp_user_timeout = 10000',
    'tcp_keepidle = 5',
    'tcp_keepintvl = 2',
    'tcp_keepcnt = 3',
  ]);
  const limits = (side: string) => [`${side}-idle 5s`, `${side}-intvl 2s`, `${side}-cnt 3`];
  const [of, proxy] = [/(?:\w+tcpka-|tcp-ut).*$/gm, readFileSync('deploy/ha/haproxy.cfg', 'utf8')];
  expect(linesOf(proxy.replace(/^ *#.*$/gm, ''), of)).toEqual([...limits('clitcpka'), ...limits('srvtcpka')]);
});

test('the page about high availability counts the connections of a lost machine', () => {
  const page = readFileSync('docs/high-availability.md', 'utf8').replaceAll(/\s+/g, ' ');
  expect(page).toContain('When a machine is lost, its connections stay until TCP notices');
  expect(page).toContain('then count the servers of one machine twice');
});

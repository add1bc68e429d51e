import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { freePort } from '../replicas/programs.ts';

const here = import.meta.dirname;
const host = '127.0.0.1';

/** How to start a program, and to restart it after it has ended. */
export interface Recipe {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The output that shows that it is ready. */
  readonly ready: RegExp;
}

/** A PostgreSQL and the Patroni that controls it. */
export interface Node extends Recipe {
  /** The address of PostgreSQL. */
  readonly address: string;
  /** The port of Patroni's REST interface. */
  readonly rest: number;
  /** The data folder of PostgreSQL. */
  readonly data: string;
}

/**
 * etcd, with its older interface too: through the newer one, a Patroni before 3.0.3 that has stood still takes the leader's
 * key back from the node that was promoted meanwhile (https://github.com/patroni/patroni/pull/2689).
 */
export async function etcdIn(folder: string): Promise<Recipe & { readonly address: string }> {
  const [client, peer] = [`${host}:${await freePort()}`, `http://${host}:${await freePort()}`];
  const settings = {
    'data-dir': join(folder, 'etcd'),
    'listen-client-urls': `http://${client}`,
    'advertise-client-urls': `http://${client}`,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
  };
  const parameters = ['--enable-v2', ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`)];
  const { env } = process;
  return {
    name: 'etcd',
    address: client,
    command: ['etcd', ...parameters],
    env,
    ready: /ready to serve client requests/,
  };
}

/**
 * Writes the files of the programs, which may run as another user: patroni.yml, with timeouts for one machine without a network,
 * roles.sql and haproxy.cfg. Every user may read them, whatever this process's umask and the modes in the checkout are.
 */
export async function writeFiles(folder: string): Promise<void> {
  const textOf = (name: string) => readFile(join(here, name), 'utf8');
  const settings = parse(await textOf('patroni.yml'));
  Object.assign(settings.bootstrap.dcs, { ttl: 5, loop_wait: 1, retry_timeout: 2 });
  const texts = { 'patroni.yml': stringify(settings), 'roles.sql': await textOf('roles.sql') };
  for (const [name, text] of Object.entries({ ...texts, 'haproxy.cfg': await textOf('haproxy.cfg') })) {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o644);
  }
}

/**
 * @param password of Patroni's roles in PostgreSQL, and of its REST interface
 * @param binaries the folder of PostgreSQL's programs
 */
export async function nodeIn(
  folder: string,
  name: string,
  { etcd, password, binaries }: { readonly etcd: string; readonly password: string; readonly binaries: string },
): Promise<Node> {
  const [address, rest, data] = [`${host}:${await freePort()}`, await freePort(), join(folder, name)];
  const env = {
    ...process.env,
    PATRONI_NAME: name,
    PATRONI_ETCD_HOSTS: `'${etcd}'`,
    PATRONI_RESTAPI_LISTEN: `${host}:${rest}`,
    PATRONI_RESTAPI_CONNECT_ADDRESS: `${host}:${rest}`,
    PATRONI_RESTAPI_USERNAME: 'patroni',
    PATRONI_RESTAPI_PASSWORD: password,
    PATRONI_POSTGRESQL_LISTEN: address,
    PATRONI_POSTGRESQL_CONNECT_ADDRESS: address,
    PATRONI_POSTGRESQL_DATA_DIR: data,
    PATRONI_POSTGRESQL_BIN_DIR: binaries,
    PATRONI_POSTGRESQL_PGPASS: `${data}.pgpass`,
    PATRONI_SUPERUSER_USERNAME: 'postgres',
    PATRONI_SUPERUSER_PASSWORD: password,
    PATRONI_REPLICATION_USERNAME: 'replicator',
    PATRONI_REPLICATION_PASSWORD: password,
  };
  return { name, address, rest, data, command: ['patroni', 'patroni.yml'], env, ready: /INFO: no action\. I am/ };
}

/** HAProxy, which forwards connections to the primary. */
export async function proxyFor([first, second]: readonly Node[]): Promise<Recipe & { readonly address: string }> {
  const address = `${host}:${await freePort()}`;
  const env = {
    ...process.env,
    PRIMARY_LISTEN: address,
    NODE_1: first?.address,
    NODE_2: second?.address,
    REST_1: String(first?.rest),
    REST_2: String(second?.rest),
  };
  // -W prints when it is ready.
  const command = ['haproxy', '-W', '-db', '-f', 'haproxy.cfg'];
  return { name: 'haproxy', address, command, env, ready: /Loading success/ };
}

/** Whether Patroni reports that a node has the role in the path: `primary`, `synchronous`. */
export async function isNode({ rest }: Node, what: 'primary' | 'synchronous'): Promise<boolean> {
  const signal = AbortSignal.timeout(2_000);
  const answer = await fetch(`http://${host}:${rest}/${what}`, { signal }).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status === 200;
}

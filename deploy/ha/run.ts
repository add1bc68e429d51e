// Runs what docker-compose.yml defines on this machine, with Debian's packages (postgresql, patroni, etcd-server,
// haproxy): two servers that HAProxy connects to the primary of two PostgreSQLs under Patroni.
// docs/high-availability.md explains it. For trials: the data is deleted when the process ends.
//
//     OWNER_PASSWORD=… SERVER_PASSWORD=… CLUSTER_PASSWORD=… API_KEY_SECRET=… node --import tsx deploy/ha/run.ts
//
// etcd and both nodes may be killed; SIGHUP restarts what has ended. SIGTERM or SIGINT stops everything. POSTGRES_BIN
// names the folder of a PostgreSQL other than Debian 12's.
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { addEnvironmentFile } from '../../src/process/environment-file.ts';
import { freePort, type Program, startProgram } from '../replicas/programs.ts';
import { etcdIn, isNode, type Node, nodeIn, proxyFor, type Recipe, writeFiles } from './cluster.ts';

const here = import.meta.dirname;
const host = '127.0.0.1';

for (const note of addEnvironmentFile(process.env)) console.error(note);
const { POSTGRES_BIN = '/usr/lib/postgresql/15/bin' } = process.env;
// Debian installs HAProxy in a folder that is not on the PATH of ordinary users.
process.env['PATH'] = `${process.env['PATH']}:/usr/sbin`;
// PostgreSQL refuses to run as root, and no program here needs root: they run as Debian's `nobody`.
const ids = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;
const folder = await mkdtemp(join(tmpdir(), 'interview-agents-ha-'));
if (ids) await chown(folder, ids.uid, ids.gid);

const running = new Map<string, Program>();
const nodes: Node[] = [];
let isStopping = false;

function secretOf(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const urlOf = (role: string, password: string, address: string) =>
  `postgresql://${role}:${encodeURIComponent(password)}@${address}/interview_agents`;

/** Starts a program; resolves when it is ready. */
async function launch(name: string, ...[command, options]: Parameters<typeof startProgram>): Promise<Program> {
  if (isStopping) throw new Error('all programs are being stopped');
  const program = startProgram(command, options);
  // Before it is ready, so that `stop` ends it then too.
  running.set(name, program);
  program.isReady.catch(() => running.delete(name));
  await program.isReady;
  return program;
}

/** Starts a program of the cluster. If it ends, SIGHUP restarts it. */
async function start({ name, command, env, ready }: Recipe): Promise<Program> {
  const program = await launch(name, command, { env, ids, cwd: folder, ready });
  program.exit.then((ending) => {
    if (running.get(name) !== program) return;
    running.delete(name);
    console.log(`${name} ${ending}`);
  });
  console.log(`${name} is process ${program.id}`);
  return program;
}

/** Runs a program of dist/ to its end. */
async function runToEnd(parameters: readonly string[], url: string): Promise<void> {
  const env = { ...process.env, DATABASE_URL: url };
  const [name = ''] = parameters;
  const command = [process.execPath, join(here, '..', '..', 'dist', name), ...parameters.slice(1)];
  const program = await launch(name, command, { env, ready: /\n$/ });
  const ending = await program.exit;
  running.delete(name);
  if (ending !== 'ended with 0') throw new Error(`${name} ${ending}`);
}

/** Resolves when one node is the primary and the other its synchronous standby. */
async function untilWhole(): Promise<void> {
  for (;;) {
    const kinds = ['primary', 'synchronous'] as const;
    const found = await Promise.all(
      kinds.map(async (kind) => (await Promise.all(nodes.map((node) => isNode(node, kind)))).includes(true)),
    );
    if (!found.includes(false)) return;
    await delay(100);
  }
}

async function startServer(name: string, DATABASE_URL: string): Promise<void> {
  const [address, metricsPort] = [`${host}:${await freePort()}`, String(await freePort())];
  // Seconds that an answer may be read: five until it begins, and sixty.
  const given = { SHUTDOWN_GRACE_SECONDS: '65', ...process.env };
  const env = { ...given, NODE_ENV: 'production', DATABASE_URL, HOST: host, PORT: address.split(':')[1] };
  const command = [process.execPath, join(here, '..', '..', 'dist', 'server.js')];
  const program = await launch(name, command, {
    env: { ...env, METRICS_PORT: metricsPort },
    ready: /^Listening on /m,
  });
  program.exit.then((ending) => {
    if (running.delete(name)) stop(`${name} ${ending}`);
  });
  const metrics = `http://${host}:${metricsPort}`;
  console.log(`${name} is process ${program.id}, listens on http://${address}, metrics on ${metrics}`);
}

/** Ends the processes that a killed Patroni leaves behind. */
async function endPostgres({ data }: Node): Promise<void> {
  const [pid] = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  if (!pid) return;
  for (const signal of ['SIGQUIT', 'SIGCONT']) {
    try {
      process.kill(Number(pid), signal);
    } catch {
      // It has ended.
    }
  }
}

/** Stops the servers first, then the programs that they depend on. */
async function stop(reason: string): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  const isWanted = reason === 'SIGTERM' || reason === 'SIGINT';
  if (!isWanted) console.error(reason);
  for (const [name, program] of [...running].reverse()) {
    running.delete(name);
    program.signal('SIGTERM');
    program.signal('SIGCONT');
    await program.exit;
  }
  await Promise.all(nodes.map(endPostgres));
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  process.exit(isWanted ? 0 : 1);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
try {
  const [owner, server, password] = ['OWNER', 'SERVER', 'CLUSTER'].map((name) => secretOf(`${name}_PASSWORD`));
  secretOf('API_KEY_SECRET');
  const etcd = await etcdIn(folder);
  await start(etcd);
  await writeFiles(folder);
  const settings = { etcd: etcd.address, password: password ?? '', binaries: POSTGRES_BIN };
  for (const name of ['node-1', 'node-2']) nodes.push(await nodeIn(folder, name, settings));
  for (const node of nodes) {
    await start(node);
    console.log(
      `${node.name} has its data in ${node.data}, PostgreSQL on ${node.address}, Patroni on ${host}:${node.rest}`,
    );
  }
  const proxy = await proxyFor(nodes);
  await start(proxy);
  await untilWhole();
  const serverUrl = urlOf('agents_server', server ?? '', proxy.address);
  await runToEnd(['migrate.js', '--server-role', 'agents_server'], urlOf('agents_owner', owner ?? '', proxy.address));
  await runToEnd(['migrate.js'], serverUrl);
  await startServer('server-1', serverUrl);
  await startServer('server-2', serverUrl);
  const recipes = [etcd, ...nodes, proxy];
  const revive = () => Promise.all(recipes.filter(({ name }) => !running.has(name)).map(start));
  process.on('SIGHUP', () => {
    revive().catch((error: Error) => stop(error.message));
  });
  console.log(`kill -HUP ${process.pid} starts again what was killed`);
  console.log(`HAProxy leads to the primary on ${proxy.address}`);
} catch (error) {
  await stop(error instanceof Error ? error.message : String(error));
}

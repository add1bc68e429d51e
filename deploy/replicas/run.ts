// Runs what docker-compose.yml defines on this machine, with Debian's packages (nginx, pgbouncer, redis-server): two
// servers behind nginx, on a PostgreSQL of yours through PgBouncer. docs/replicas.md explains it.
//
//     DATABASE_URL=… API_KEY_SECRET=… PORT=8080 node --import tsx deploy/replicas/run.ts
//
// SIGHUP restarts the servers, one after the other; SIGTERM or SIGINT stops everything. REDIS_SERVER names another
// program than redis-server, such as valkey-server.
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { addEnvironmentFile } from '../../src/process/environment-file.ts';
import { freePort, type Program, startProgram } from './programs.ts';

/** Milliseconds until a server that nginx leaves out is idle: it answers within 5 s, and nginx closes what was idle for 5 s. */
const longestUse = 10_000;

const here = import.meta.dirname;
const host = '127.0.0.1';

for (const note of addEnvironmentFile(process.env)) console.error(note);
const { DATABASE_URL = '', PORT = '8080', REDIS_SERVER = 'redis-server' } = process.env;
// Debian installs nginx and PgBouncer in a folder that is not on the PATH of ordinary users.
process.env['PATH'] = `${process.env['PATH']}:/usr/sbin`;
// Node's own error would show the password.
if (!URL.canParse(DATABASE_URL)) {
  console.error('DATABASE_URL is not a URL: in its password, write @, /, ? and # as %40, %2F, %3F and %23');
  process.exit(1);
}
const database = new URL(DATABASE_URL);
// PgBouncer refuses to run as root, and no program here needs root: they run as Debian's `nobody`.
const ids = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;
// In the folder, which is closed to others, they read what this process writes.
process.umask(0o022);
const folder = await mkdtemp(join(tmpdir(), 'interview-agents-replicas-'));
const drainFolder = join(folder, 'drain');
await mkdir(drainFolder);
if (ids) await chown(folder, ids.uid, ids.gid);

const running = new Set<Program>();
let isStopping = false;

/** Starts a program that must not end by itself; resolves when it is ready. */
async function start(...[command, options]: Parameters<typeof startProgram>): Promise<Program> {
  if (isStopping) throw new Error('all programs are being stopped');
  const program = startProgram(command, options);
  // Before it is ready, so that `stop` ends it then too.
  running.add(program);
  program.isReady.catch(() => running.delete(program));
  await program.isReady;
  program.exit.then((ending) => {
    if (running.delete(program)) stop(`${command[0]} ${ending}`);
  });
  return program;
}

/** Ends a program; resolves with its exit code or signal. */
function end(program: Program, signal: NodeJS.Signals): Promise<string> {
  running.delete(program);
  program.signal(signal);
  return program.exit;
}

async function startRedis(): Promise<string> {
  const port = String(await freePort());
  const memory = ['--maxmemory', '256mb', '--maxmemory-policy', 'noeviction', '--save', '', '--appendonly', 'no'];
  const command = [REDIS_SERVER, '--port', port, '--bind', host, ...memory, '--dir', folder];
  await start(command, { ids, ready: /Ready to accept connections/ });
  return `redis://${host}:${port}`;
}

/** @returns the DATABASE_URL of the servers */
async function startPgBouncer(): Promise<string> {
  const port = await freePort();
  const env = {
    PATH: process.env['PATH'],
    POSTGRES_HOST: database.hostname,
    POSTGRES_PORT: database.port || '5432',
    DATABASE: database.pathname.slice(1),
    ROLE: decodeURIComponent(database.username),
    PASSWORD: decodeURIComponent(database.password),
    LISTEN_ADDRESS: host,
    LISTEN_PORT: String(port),
    FOLDER: folder,
  };
  // Given as text, because the user of PgBouncer may not be able to enter this folder.
  const script = await readFile(join(here, 'pgbouncer.sh'), 'utf8');
  await start(['sh', '-c', script], { env, ids, ready: /process up/ });
  return Object.assign(new URL(database), { host: `${host}:${port}` }).href;
}

/** One of the two servers. It listens once `start` has been called. */
async function makeServer(name: string, common: Readonly<Record<string, string>>) {
  const address = `${host}:${await freePort()}`;
  const metricsPort = String(await freePort());
  // Seconds that an answer may be read: five until it begins, and sixty.
  const given = { SHUTDOWN_GRACE_SECONDS: '65', ...process.env, ...common };
  const env = { ...given, HOST: host, PORT: address.split(':')[1], METRICS_PORT: metricsPort };
  const command = [process.execPath, join(here, '..', '..', 'dist', 'server.js')];
  let program: Program | undefined;
  return {
    name,
    address,
    async start() {
      program = await start(command, { env, ready: /^Listening on /m });
      while (!(await fetch(`http://${address}/health/ready`)).ok) await delay(50);
      const metrics = `http://${host}:${metricsPort}`;
      console.log(`${name} is process ${program.id}, listens on http://${address}, metrics on ${metrics}`);
    },
    async stop() {
      if (program) console.log(`${name} ${await end(program, 'SIGTERM')}`);
      program = undefined;
    },
  };
}

type Server = Awaited<ReturnType<typeof makeServer>>;

/** @returns the proxy's port */
async function startProxy([first, second]: readonly Server[]): Promise<number> {
  const port = Number(PORT) || (await freePort());
  const template = await readFile(join(here, 'nginx.conf.template'), 'utf8');
  const names: Readonly<Record<string, string | undefined>> = {
    PROXY_LISTEN: `${host}:${port}`,
    SERVER_1: first?.address,
    SERVER_2: second?.address,
    DRAIN_FOLDER: drainFolder,
  };
  const filledIn = template.replace(/\$\{(\w+)\}/g, (text, name: string) => names[name] ?? text);
  // The settings of the nginx.conf in nginx's image, with all paths in the folder.
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${kind};`);
  const main = `daemon off; pid nginx.pid; error_log stderr notice; worker_processes auto;
    events {} http { ${temporary.join(' ')} ${filledIn} }`;
  await writeFile(join(folder, 'nginx.conf'), main);
  await start(['nginx', '-e', 'stderr', '-p', folder, '-c', 'nginx.conf'], { ids, ready: /start worker process / });
  return port;
}

/**
 * Restarts servers one after the other: takes a server out, waits until it is idle, restarts it and puts it back. Ends at
 * one that does not start.
 * @returns the servers that are left to restart: that one, which stays out, and those after it
 */
async function restartEach(servers: readonly Server[]): Promise<readonly Server[]> {
  for (const [at, server] of servers.entries()) {
    const mark = join(drainFolder, server.name);
    await writeFile(mark, '');
    await delay(longestUse);
    await server.stop();
    try {
      await server.start();
    } catch (error) {
      if (isStopping) return [];
      const reason = error instanceof Error ? error.message : String(error);
      console.error(`${server.name} does not start, and is left out until the next SIGHUP: ${reason}`);
      return servers.slice(at);
    }
    await rm(mark);
  }
  console.log('Restarted both servers');
  return [];
}

/** Stops the servers first, then the programs that they depend on. */
async function stop(reason: string): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  const isWanted = reason === 'SIGTERM' || reason === 'SIGINT';
  if (!isWanted) console.error(reason);
  for (const program of [...running].reverse()) await end(program, 'SIGTERM');
  await rm(folder, { recursive: true, force: true });
  process.exit(isWanted ? 0 : 1);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
try {
  const common = {
    NODE_ENV: 'production',
    DATABASE_URL: await startPgBouncer(),
    // PgBouncer 1.18 does not support prepared statements in transaction mode.
    DATABASE_PREPARED_STATEMENTS: 'false',
    REDIS_URL: await startRedis(),
    TRUST_PROXY: host,
  };
  console.log(`PgBouncer listens on ${new URL(common.DATABASE_URL).host}`);
  const servers = [await makeServer('server-1', common), await makeServer('server-2', common)];
  await Promise.all(servers.map((server) => server.start()));
  const port = await startProxy(servers);
  // Without a listener, a signal that comes during a restart would end this process; it is ignored.
  process.on('SIGHUP', () => {});
  console.log(`kill -HUP ${process.pid} restarts both servers, one after the other`);
  console.log(`The proxy listens on http://${host}:${port}`);
  for (let left: readonly Server[] = []; ; ) {
    await once(process, 'SIGHUP');
    left = await restartEach(left.length > 0 ? left : servers);
  }
} catch (error) {
  await stop(error instanceof Error ? error.message : String(error));
}

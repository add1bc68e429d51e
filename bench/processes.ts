import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Value } from '@sinclair/typebox/value';
import { type Reading, readingSchema } from './contestants/meter.ts';
import type { ContestantName } from './plan.ts';

/** The path of a file that `npm run bench` has compiled. */
export const built = (path: string) => fileURLToPath(new URL(`.build/${path}`, import.meta.url));
const production = fileURLToPath(new URL('../dist/server.js', import.meta.url));

/** The most milliseconds that a contestant may take to listen, and to stop. */
const patience = 60_000;

const children = new Set<ChildProcess>();
let interrupted = false;

/** Ends all processes of the benchmark and refuses to start more; their callers fail and clean up. */
export function interrupt(): void {
  interrupted = true;
  for (const child of children) child.kill();
}

function start(command: string, commandLine: readonly string[], environment: NodeJS.ProcessEnv, stdio: StdioOptions) {
  if (interrupted) throw new Error('interrupted');
  const PATH = process.env['PATH'];
  const child = spawn(command, commandLine, { env: { PATH, ...environment }, stdio });
  children.add(child);
  child.once('close', () => children.delete(child));
  return child;
}

/**
 * Runs a command to its end.
 * @returns its standard output
 * @throws Error if it fails
 */
export async function finish(
  command: string,
  commandLine: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const child = start(command, commandLine, environment, ['ignore', 'pipe', 'inherit']);
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}: ${output}`);
  return output;
}

/** A contestant that listens. */
export interface Contestant {
  readonly port: number;
  read(): Promise<Reading>;
  stop(): Promise<void>;
}

/**
 * Starts a contestant in a process of its own, and resolves once it listens.
 * @param log the file for its output
 */
export async function startContestant(
  name: ContestantName,
  { databaseUrl, secret, log }: { databaseUrl: string; secret: string; log: string },
): Promise<Contestant> {
  const program = name === 'this-server' ? production : built(`bench/contestants/${name}.js`);
  const environment = {
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    API_KEY_SECRET: secret,
    PORT: '0',
    RATE_LIMIT_PER_MINUTE: '0',
    RATE_LIMIT_PER_HOUR: '0',
    RATE_LIMIT_REFUSED_PER_MINUTE: '0',
  };
  const file = openSync(log, 'w');
  const meter = pathToFileURL(built('bench/contestants/meter.js')).href;
  const child = start(process.execPath, ['--import', meter, program], environment, ['ignore', file, file, 'ipc']);
  closeSync(file);
  return {
    port: await portIn(log, child),
    async read() {
      const answer = once(child, 'message');
      child.send('read');
      const [reading] = await answer;
      return Value.Parse(readingSchema, reading);
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'close');
      child.kill();
      const late = setTimeout(() => child.kill('SIGKILL'), patience);
      await ended;
      clearTimeout(late);
    },
  };
}

async function portIn(log: string, child: ChildProcess): Promise<number> {
  const deadline = Date.now() + patience;
  for (;;) {
    const text = await readFile(log, 'utf8');
    const port = /^Listening on http:\/\/127\.0\.0\.1:(\d+)$/m.exec(text)?.[1];
    if (port !== undefined) return Number(port);
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      child.kill();
      throw new Error(`a contestant does not listen: ${text.slice(-2_000)}`);
    }
    await delay(20);
  }
}

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { inherited } from './environment-file.ts';
import { eraseEmbedded } from './erase-embedded.ts';
import { refuseKeys } from './leaked-keys.ts';
import { inTestRun, isAlive, killPostgres } from './test-run.ts';

const root = join(import.meta.dirname, '..', '..');

/**
 * The hook in which a helper ends what it started: by default the end of the test. Give `afterAll` only at the top
 * level of a file, because Vitest ignores it inside a hook.
 */
export type AtEnd = (task: () => Promise<void>) => void;

/** Builds dist/, as `npm start` does. */
export const build = (): void => {
  execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { stdio: 'ignore' });
};

/** Makes a temporary folder. */
export async function makeFolder(atEnd: AtEnd = onTestFinished): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'interview-agents-api-'));
  // As root PostgreSQL runs as another user, who must be able to enter.
  await chmod(folder, 0o755);
  atEnd(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The path of a DATA_DIR that does not exist yet. At the end its PostgreSQL is stopped and the folder deleted. */
export async function makeDataDir(atEnd: AtEnd = onTestFinished): Promise<string> {
  const dataDir = join(await makeFolder(atEnd), 'data');
  atEnd(async () => {
    await endPostgres(dataDir);
    eraseEmbedded(dataDir);
  });
  return dataDir;
}

/** Ends the PostgreSQL that runs on a DATA_DIR, if there is one. */
export async function endPostgres(dataDir: string): Promise<void> {
  killPostgres(join(dataDir, 'postgres', 'cluster'));
  await vi.waitUntil(async () => (await postgresPid(dataDir)) === undefined, { timeout: 60_000 });
}

/** The process id of the PostgreSQL that runs on a DATA_DIR, if there is one. */
export async function postgresPid(dataDir: string): Promise<number | undefined> {
  const [pid] = await postmasterLines(dataDir);
  return pid !== undefined && isAlive(Number(pid)) ? Number(pid) : undefined;
}

/** Whether a process has ended or is a zombie, whose parent has not read its exit code yet. */
export async function hasEnded(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z')).includes(') Z');
}

/** The URL of the embedded database that runs on a DATA_DIR. */
export async function embeddedUrl(dataDir: string): Promise<string> {
  const password = await readFile(join(dataDir, 'postgres-password'), 'utf8');
  const [, , , port] = await postmasterLines(dataDir);
  return `postgresql://postgres:${password}@127.0.0.1:${port}/interview_agents`;
}

async function postmasterLines(dataDir: string): Promise<string[]> {
  const file = join(dataDir, 'postgres', 'cluster', 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch(() => '');
  return text === '' ? [] : text.split('\n');
}

interface Options {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly atEnd?: AtEnd;
  /** The number of descriptors that a server may have open. */
  readonly descriptors?: number;
}

/** A process in a process group of its own, which is killed at the end. Its variables are `inherited` and `env`. */
export function startProcess(command: readonly string[], { env = {}, cwd = root, atEnd = onTestFinished }: Options) {
  const [program = '', ...parameters] = command;
  const child = spawn(program, parameters, { cwd, env: { ...inherited(cwd), ...env }, detached: true });
  const end = inTestRun(child.pid);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // 'close', because then all output has been read.
  const exit = once(child, 'close').then(([code, signal]: (number | string | null)[]) => ({ code, signal }));
  const started = {
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    pid: Number(child.pid),
    /** Resolves with its code, or the signal that killed it. */
    exit,
    /** Types into its standard input. */
    write: (text: string) => void child.stdin.write(text),
    signal: (signal: NodeJS.Signals) => child.kill(signal),
    /** Sends a signal to the whole process group, as a terminal does. */
    signalGroup: (signal: NodeJS.Signals) => process.kill(-Number(child.pid), signal),
    /** Resolves when its stdout matches; rejects when it ends before. */
    async until(pattern: RegExp): Promise<string> {
      const ended = exit.then(() => 'ended' as const);
      for (;;) {
        const [, found] = pattern.exec(stdout) ?? [];
        if (found !== undefined) return found;
        const next = once(child.stdout, 'data').then(() => 'more' as const);
        if ((await Promise.race([next, ended])) === 'ended') throw new Error(`it ended: ${stdout}${stderr}`);
      }
    },
  };
  atEnd(async () => {
    end();
    await exit;
    // Only log lines are checked: the output for people, of the first start and of the command line, may hold a key.
    refuseKeys([...stdout.split('\n').filter((line) => line.startsWith('{"')), stderr]);
  });
  return started;
}

export type Started = ReturnType<typeof startProcess>;

/** Runs a command to its end. */
export async function runToEnd(command: readonly string[], options: Options = {}) {
  const started = startProcess(command, options);
  const { code } = await started.exit;
  return { code, stdout: started.stdout, stderr: started.stderr };
}

/** Runs a program of dist/ to its end. */
export const runProgram = (parameters: readonly string[], options: Options = {}) =>
  runToEnd([process.execPath, ...parameters], options);

/** What a program says whose machine was too slow for the time limits of its statements. */
export const tooSlow = /the database did not answer|took longer than a statement may/;

/** The end of the second curl command, the last output of a start with a demo. */
export const demoPrinted = /^ {2}-d '(.*"source":"ats".*)'$/m;

interface ServerOptions extends Omit<Options, 'env'> {
  /** The folder of another build, in which it is started. */
  readonly release?: string;
}

const serverIn = ({ release = root }: ServerOptions) => [process.execPath, join(release, 'dist', 'server.js')];

/** Runs a server to its end, because it is to refuse to start; again if the machine was too slow, five times at most. */
export async function refusedStart(env: Readonly<Record<string, string>>, options: ServerOptions = {}) {
  for (let left = 4; ; left -= 1) {
    const ended = await runToEnd(serverIn(options), { ...options, env });
    if (left === 0 || !tooSlow.test(ended.stderr)) return ended;
  }
}

/** Starts a server with the given variables on a free port. With a DATA_DIR, its output about the demo is complete. */
export const startServer = (env: Readonly<Record<string, string>>, options: ServerOptions = {}) =>
  repeatedIfTooSlow(() => startOnce(env, options));

/** Makes a start; again if it is rejected with the output of a machine that was too slow, five times at most. */
export async function repeatedIfTooSlow<Running>(start: () => Promise<Running>): Promise<Running> {
  for (let left = 4; ; left -= 1) {
    try {
      return await start();
    } catch (error) {
      if (left === 0 || !tooSlow.test(String(error))) throw error;
    }
  }
}

async function startOnce(env: Readonly<Record<string, string>>, options: ServerOptions) {
  const { descriptors, release } = options;
  // The shell replaces itself by the server.
  const limited = ['sh', '-c', `ulimit -n ${descriptors}; exec "$@"`, 'sh', ...serverIn(options)];
  const server = startProcess(descriptors === undefined ? serverIn(options) : limited, {
    ...(release !== undefined && { cwd: release }),
    ...options,
    env: { PORT: '0', ...env },
  });
  const origin = await server.until(/^Listening on (http:\S+)$/m);
  if ('DATA_DIR' in env) await server.until(demoPrinted);
  return { server, origin };
}

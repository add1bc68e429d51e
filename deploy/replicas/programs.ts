import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

interface Options {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The user that it runs as; by default the user of this process. */
  readonly ids?: { readonly uid: number; readonly gid: number } | undefined;
  readonly cwd?: string;
  /** The output that shows that it is ready. */
  readonly ready: RegExp;
}

/** Starts a program and forwards its output to this process's own. */
export function startProgram(command: readonly string[], { env, ids, cwd, ready }: Options) {
  const [name = '', ...parameters] = command;
  const child = spawn(name, parameters, {
    ...ids,
    ...(env && { env }),
    ...(cwd && { cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = once(child, 'exit').then(([code, signal]: unknown[]) => `ended with ${code ?? signal}`);
  // What it printed last may be read after its exit; a process that it has left behind may keep its output open.
  const ended = Promise.all([exit, Promise.race([once(child, 'close'), exit.then(() => delay(1_000))])]);
  let said = '';
  const saidReady = new Promise<void>((resolve) => {
    for (const [stream, own] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ] as const) {
      stream.on('data', (text: Buffer) => {
        own.write(text);
        said += text;
        if (ready.test(said)) resolve();
        // Only the end of its output is kept.
        said = said.slice(-1_000);
      });
    }
  });
  return {
    id: child.pid,
    /** Resolves when it is ready, rejects if it ends before. */
    isReady: Promise.race([saidReady, ended]).then((ending) => {
      if (ending) throw new Error(`${name} ${ending[0]}`);
    }),
    /** Resolves with its exit code or signal. */
    exit,
    signal: (signal: NodeJS.Signals) => child.kill(signal),
  };
}

export type Program = ReturnType<typeof startProgram>;

/**
 * A free port, below the range from which the system chooses ports, so that it is not given to another process before
 * the program starts. Chosen at random, so that the next call returns another one.
 */
export async function freePort(): Promise<number> {
  const port = randomInt(10_000, 32_000);
  const probe = createServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    return await freePort();
  }
  probe.close();
  await once(probe, 'close');
  return port;
}

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

interface Options {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whom it runs as; without it, as this process. */
  readonly ids?: { readonly uid: number; readonly gid: number } | undefined;
  readonly cwd?: string;
  /** What it says when it is ready. */
  readonly ready: RegExp;
}

/** Starts a program, whose output goes on to this process's own; resolves when it is ready, rejects when it ends before. */
export async function startProgram(command: readonly string[], { env, ids, cwd, ready }: Options) {
  const [name = '', ...parameters] = command;
  const child = spawn(name, parameters, {
    ...ids,
    ...(env && { env }),
    ...(cwd && { cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = once(child, 'exit').then(([code, signal]: unknown[]) => `ended with ${code ?? signal}`);
  let said = '';
  const isReady = new Promise<void>((resolve) => {
    for (const [stream, own] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ] as const) {
      stream.on('data', (text: Buffer) => {
        own.write(text);
        said += text;
        if (ready.test(said)) resolve();
        // Only its last words matter.
        said = said.slice(-1_000);
      });
    }
  });
  const ending = await Promise.race([isReady, exit]);
  if (ending !== undefined) throw new Error(`${name} ${ending}`);
  return {
    id: child.pid,
    /** Resolves with how it ended. */
    exit,
    signal: (signal: NodeJS.Signals) => child.kill(signal),
  };
}

export type Program = Awaited<ReturnType<typeof startProgram>>;

/**
 * A port that is free now, and below those that the system gives to connections and to who asks for any port: else
 * somebody has it before the program for which it was looked up. By chance, so that the next call gives another.
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

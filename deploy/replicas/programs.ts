import { spawn } from 'node:child_process';
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

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

import { Readable, Writable } from 'node:stream';
import { CommanderError } from '@commander-js/extra-typings';
import { expect } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { failureOf, operatorProgram } from '../../src/operator/program.ts';
import type { World } from './world.ts';

type OwnDatabase = Pick<World, 'ownerUrl' | 'secret'>;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the operator's command line in this process, which is faster than a process for each command. */
export async function runOperator(
  env: Record<string, string>,
  parameters: readonly string[],
  stdin = '',
): Promise<Outcome> {
  const texts = { stdout: '', stderr: '' };
  const into = (name: keyof typeof texts) =>
    new Writable({
      write(chunk, _, done) {
        texts[name] += String(chunk);
        done();
      },
    });
  const streams = { stdin: Readable.from([stdin]), stdout: into('stdout'), stderr: into('stderr') };
  const program = operatorProgram(() => readConfig(env, 'operator'), streams);
  for (const command of [program, ...program.commands.flatMap((group) => [group, ...group.commands])]) {
    command.exitOverride();
  }
  const code = await program.parseAsync(parameters, { from: 'user' }).then(
    () => 0,
    (error: unknown) => {
      if (error instanceof CommanderError) return error.exitCode;
      texts.stderr += `${failureOf(error)}\n`;
      return 1;
    },
  );
  return { code, ...texts };
}

/** Runs a command on the database of a world and returns its outcome. */
export const operatorOf =
  ({ ownerUrl, secret }: OwnDatabase) =>
  (parameters: readonly string[], stdin?: string) =>
    runOperator({ DATABASE_URL: ownerUrl, API_KEY_SECRET: secret }, parameters, stdin);

/** Runs a command on the database of a world and returns what it printed. Fails unless it succeeds with an empty stderr. */
export const printedBy =
  (world: OwnDatabase) =>
  async (...parameters: string[]): Promise<string> => {
    const { stdout, ...rest } = await operatorOf(world)(parameters);
    expect(rest).toEqual({ code: 0, stderr: '' });
    return stdout;
  };

/** Runs a command on the database of a world and returns the JSON value that it printed; otherwise like `printedBy`. */
export const parsedBy =
  (world: OwnDatabase) =>
  async (...parameters: string[]) =>
    JSON.parse(await printedBy(world)(...parameters));

import { parseArgs } from 'node:util';
import { type ContestantName, contestantNames } from './plan.ts';

/** The options of a run. */
export interface Options {
  readonly only: readonly ContestantName[];
  readonly connections: readonly number[];
  readonly rounds: number;
  /** Seconds of a measurement, and of the warm-up before it. */
  readonly seconds: number;
  readonly warmUp: number;
  /** Minutes at full load, instead of the comparison. */
  readonly soak: number | undefined;
  readonly quick: boolean;
  /** Whether the run measures everything, so that its results may be published in the repository. */
  readonly complete: boolean;
}

/** The help text, without a newline at its end. */
export const usage = `npm run bench -- [options]
  --quick              about a minute: one short round, 1 and 64 connections, fewer variations
  --only NAME          one contestant, repeatable: ${contestantNames.join(', ')}
  --connections LIST   1,16,64,256
  --seconds N          length of each measurement
  --rounds N           how often each is measured; the median counts
  --soak [MINUTES]     instead: memory of this server at full load, 5 minutes`;

/**
 * Reads the command line.
 * @throws Error that shows the usage
 */
export function readOptions(commandLine: readonly string[]): Options {
  const { values, positionals } = parse(commandLine);
  const { quick, soak } = values;
  return {
    only: values.only.length === 0 ? contestantNames : values.only.map(contestantNamed),
    connections: (values.connections ?? (quick ? '64,1' : '1,16,64,256')).split(',').map(positive),
    rounds: positive(values.rounds ?? (quick ? '1' : '3')),
    seconds: positive(values.seconds ?? (quick ? '2' : '3')),
    warmUp: 1,
    soak: soak ? positive(positionals[0] ?? '5') : undefined,
    quick,
    complete: !quick && values.only.length === 0 && values.connections === undefined,
  };
}

function parse(commandLine: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  try {
    const parsed = parseArgs({
      args: [...commandLine],
      allowPositionals: true,
      options: {
        quick: flag,
        soak: flag,
        only: { ...text, multiple: true, default: [] },
        connections: text,
        seconds: text,
        rounds: text,
      },
    });
    if (parsed.positionals.length > (parsed.values.soak ? 1 : 0)) throw new Error(`what is ${parsed.positionals[0]}?`);
    return parsed;
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}

function contestantNamed(text: string): ContestantName {
  const name = contestantNames.find((known) => known === text);
  if (name === undefined) throw new Error(`no contestant is called ${text}\n${usage}`);
  return name;
}

function positive(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new Error(`${text} must be a whole number from 1 on\n${usage}`);
  return number;
}

import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Config } from '../config.ts';
import { hasCode, RefusedError } from '../errors.ts';
import { withNumbers } from '../http/exact-numbers.ts';
import { type Services, withServices } from './services.ts';

/** Runs one command and prints its result as one JSON value. */
export type Print = (run: (services: Services) => Promise<unknown>) => Promise<void>;

/** Runs one command and prints each line that it yields. */
export type PrintLines = (run: (services: Services) => AsyncIterable<string>) => Promise<void>;

/** Lines are written together once they have this many characters. */
const chunkLength = 64 * 1024;

/**
 * Runs commands on the configured database and prints their results.
 * @param readConfiguration called when a command runs, so that `--help` needs no configuration
 */
export function printer(readConfiguration: () => Config, stdout: Writable): { print: Print; printLines: PrintLines } {
  return {
    print: (run) =>
      withServices(readConfiguration(), async (services) => {
        const text = withNumbers(JSON.stringify(await run(services), undefined, 2));
        await write([`${text}\n`], stdout);
      }),
    printLines: (run) => withServices(readConfiguration(), (services) => write(chunksOf(run(services)), stdout)),
  };
}

async function* chunksOf(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let chunk = '';
  for await (const line of lines) {
    chunk += `${line}\n`;
    if (chunk.length < chunkLength) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk;
}

/**
 * Writes texts with backpressure: the next text is read when the reader has taken the one before.
 * @throws RefusedError if the reader has closed the pipe (EPIPE)
 */
async function write(texts: Iterable<string> | AsyncIterable<string>, stdout: Writable): Promise<void> {
  try {
    await pipeline(Readable.from(texts, { highWaterMark: 1 }), stdout, { end: false });
  } catch (error) {
    if (!hasCode(error, 'EPIPE')) throw error;
    throw new RefusedError('the reader of the output has closed it: the output is not complete');
  }
}

import { fstatSync, write, writeSync } from 'node:fs';

/** Maximum number of bytes that wait for a slow reader; further lines are dropped and counted. */
const capacity = 8 * 1024 * 1024;

/** Bytes after which a batch is written at once, and milliseconds after which it is written anyway. */
const batchBytes = 64 * 1024;
const batchDelay = 100;

/** Milliseconds until a write is retried to a terminal that accepts no more bytes. */
const retryDelay = 100;

/** Milliseconds to wait for a slow reader when the process ends. */
const lastLinesWait = 500;

type StandardStream = ReturnType<typeof openStandardStream>;

interface Batch {
  readonly bytes: Buffer;
  readonly lines: number;
}

/**
 * Opens standard output (1) or standard error (2): a pipe, a file or a terminal. Writing never blocks or throws. sonic-boom,
 * pino's usual destination, is not used: its final flush retries for ever on a broken pipe, and its asynchronous writes to a
 * full pipe block a thread that the exit waits for.
 */
export function openStandardStream(fd: 1 | 2) {
  const stat = fstatSync(fd);
  const usesThread = !stat.isFIFO() && !stat.isSocket();
  const send = usesThread ? fileSender(fd) : socketSender(fd);
  const batches: Batch[] = [];
  let next = '';
  let nextLines = 0;
  let waiting = 0;
  let dropped = 0;
  let isWriting = false;
  let timer: NodeJS.Timeout | undefined;
  let onSettled = () => {};

  const closeBatch = () => {
    clearTimeout(timer);
    timer = undefined;
    if (nextLines > 0) batches.push({ bytes: Buffer.from(next), lines: nextLines });
    next = '';
    nextLines = 0;
  };
  const writeBatches = () => {
    if (isWriting) return;
    const batch = batches.shift();
    if (!batch) return onSettled();
    isWriting = true;
    send(batch.bytes, (error) => {
      isWriting = false;
      waiting -= batch.bytes.length;
      if (error) dropped += batch.lines;
      writeBatches();
    });
  };
  const flush = () => {
    closeBatch();
    writeBatches();
  };

  return {
    /**
     * Writes one or more whole lines, in order, at most 100 ms later: a SIGKILL loses the lines of that time, and those
     * that a slow reader has not taken yet.
     */
    write(lines: string): void {
      const size = Buffer.byteLength(lines);
      if (waiting + size > capacity) {
        dropped += 1;
        return;
      }
      waiting += size;
      next += lines;
      nextLines += 1;
      if (next.length >= batchBytes) flush();
      else timer ??= setTimeout(flush, batchDelay).unref();
    },

    /** Calls of `write` whose lines were dropped, because 8 MiB were waiting or because they could not be written. */
    dropped: () => dropped,

    /** Resolves when everything is written, at the latest after the given milliseconds. */
    settle: (limit: number): Promise<void> =>
      new Promise((resolve) => {
        const giveUp = setTimeout(resolve, limit);
        onSettled = () => {
          clearTimeout(giveUp);
          resolve();
        };
        flush();
      }),

    /** Whether a thread is blocked in a write: `process.exit` would wait for it, perhaps for ever. */
    blocksExit: () => usesThread && isWriting,

    /** Writes waiting lines synchronously, as many as the reader accepts. For a crash: the event loop does not run again. */
    flushSync(): void {
      closeBatch();
      // Bytes of a batch that is being written may be out already: more behind them would cut its lines.
      if (isWriting || batches.length === 0) return;
      try {
        writeSync(fd, Buffer.concat(batches.splice(0).map(({ bytes }) => bytes)));
      } catch {
        // The reader has closed the pipe or accepts nothing, and the process is about to end: the lines are lost.
      }
    },
  };
}

/** Ends the process when the last lines of its streams are written, at the latest after half a second. */
export async function endProcess(code: number, ...streams: readonly StandardStream[]): Promise<void> {
  await Promise.all(streams.map((stream) => stream.settle(lastLinesWait)));
  // Only a kill ends a process with a thread that is blocked in a write, as by a terminal that Ctrl-S has stopped.
  if (streams.some((stream) => stream.blocksExit())) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

type Send = (bytes: Buffer, done: (error?: Error | null) => void) => void;

/** For pipes and sockets: Node's own stream, which does not block, and can be written to again after an error. */
function socketSender(fd: 1 | 2): Send {
  const stream = fd === 1 ? process.stdout : process.stderr;
  // The callback of the write gets the error as well.
  stream.on('error', () => {});
  return (bytes, done) => stream.write(bytes, done);
}

/** For files, devices and terminals: a thread waits for them. */
function fileSender(fd: number): Send {
  let isCut = false;
  const send = (bytes: Buffer, done: (error?: Error | null) => void) => {
    write(fd, bytes, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(send, retryDelay, bytes, done);
        return;
      }
      if (error || written === bytes.length) {
        isCut = error !== null && isCut;
        done(error);
        return;
      }
      isCut = true;
      send(bytes.subarray(written), done);
    });
  };
  // If the disk was full in the middle of a line, begin a new line.
  return (bytes, done) => send(isCut ? Buffer.concat([Buffer.from('\n'), bytes]) : bytes, done);
}

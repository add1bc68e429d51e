import { AddressError, type AddressRules, checkedAddresses, type Resolve, targetOf } from './address.ts';
import { receiverPools } from './pools.ts';
import { signedHeaders } from './signature.ts';

/** One attempt to tell one endpoint of one event. */
export interface Attempt {
  readonly url: string;
  readonly eventId: string;
  /** The JSON text that is sent and signed, byte for byte. */
  readonly body: string;
  /** `whsec_…`, the current one first. */
  readonly secrets: readonly string[];
  /** Headers that the owner of the endpoint asked for. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What came of an attempt. Nothing in it is a secret of ours. */
export interface Result {
  /** Whether the receiver has it: any 2xx. */
  readonly isDelivered: boolean;
  /** The status of the answer; null when none came. */
  readonly status: number | null;
  /** What went wrong, in our words; null for a 2xx. */
  readonly error: string | null;
  /** The beginning of the answer's body as text, at most 1 KiB of UTF-8. */
  readonly answer: string | null;
  readonly retryAfter?: string | undefined;
}

interface Options extends AddressRules {
  readonly resolve: Resolve;
}

/** Milliseconds for all of an attempt: name, connection, answer. */
const attemptLimit = 10_000;

/** Bytes of an answer's body that are read, and of these, that are kept. */
const readLimit = 65_536;
const keepLimit = 1_024;

export type Deliver = ReturnType<typeof deliverer>;

/** Sends attempts, each over a connection to an address that was checked for it (docs/contract.md#webhooks). */
export function deliverer({ resolve, ...rules }: Options) {
  const pools = receiverPools();
  const underWay = new Set<AbortController>();
  let isOver = false;

  async function send({ url: text, eventId, body, secrets, headers }: Attempt, signal: AbortSignal): Promise<Result> {
    const url = targetOf(text, rules);
    const addresses = await untilAborted(checkedAddresses(url, rules, resolve), signal);
    return await pools.use(url, addresses, async (pool) => {
      const timestamp = Math.floor(Date.now() / 1_000);
      const answer = await pool.request({
        method: 'POST',
        path: `${url.pathname}${url.search}`,
        headers: {
          'user-agent': 'interview-agents-api',
          ...lowerCased(headers),
          'content-type': 'application/json',
          ...signedHeaders({ id: eventId, timestamp, body }, secrets),
        },
        body,
        signal,
      });
      const { statusCode: status } = answer;
      const retryAfter = answer.headers['retry-after'];
      const isDelivered = status >= 200 && status < 300;
      return {
        ...{ isDelivered, status, error: isDelivered ? null : `the answer was ${status}` },
        answer: await beginningOf(answer.body),
        ...(typeof retryAfter === 'string' && { retryAfter }),
      };
    });
  }

  return {
    /** Makes one attempt, in 10 s at most. Resolves with undefined when `giveUp` ended it; never rejects. */
    async deliver(attempt: Attempt): Promise<Result | undefined> {
      if (isOver) return undefined;
      const ending = new AbortController();
      // Not `AbortSignal.timeout`: its timer would outlive the attempt.
      const timer = setTimeout(() => ending.abort(tooLate), attemptLimit);
      underWay.add(ending);
      try {
        return await send(attempt, ending.signal);
      } catch (error) {
        const { aborted, reason } = ending.signal;
        if (aborted && reason !== tooLate) return undefined;
        return { isDelivered: false, status: null, error: aborted ? tooLate : faultOf(error), answer: null };
      } finally {
        clearTimeout(timer);
        underWay.delete(ending);
      }
    },

    /** Ends all attempts, those that are under way and later ones, without a result. */
    giveUp(): void {
      isOver = true;
      for (const ending of underWay) ending.abort();
    },

    close: () => pools.close(),
  };
}

const tooLate = `no answer within ${attemptLimit / 1_000} s`;

/** What is said of an error: a sentence of ours and its code at most, since a message may hold what was sent. */
function faultOf(error: unknown): string {
  if (error instanceof AddressError) return error.fault;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? `no answer: ${code}` : 'no answer';
}

const lowerCased = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** Ends a wait that cannot be aborted itself. */
function untilAborted<Value>(wait: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    wait.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Reads a body as far as it is worth it. What breaks off on the way, or takes too long, does not change the status. */
async function beginningOf(body: AsyncIterable<Buffer>): Promise<string> {
  const kept: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      if (size < keepLimit) kept.push(chunk.subarray(0, keepLimit - size));
      size += chunk.length;
      // Leaving the loop destroys the connection.
      if (size >= readLimit) break;
    }
  } catch {
    // The answer counts as far as it came: its status is known.
  }
  return textOf(Buffer.concat(kept));
}

/** As UTF-8, without a character that was cut in two and without what PostgreSQL cannot store. */
function textOf(bytes: Buffer): string {
  const decode = (some: Uint8Array) => new TextDecoder().decode(some, { stream: true });
  // What is no UTF-8 became longer when it was decoded.
  return decode(Buffer.from(decode(bytes).replaceAll('\0', '\uFFFD')).subarray(0, keepLimit));
}

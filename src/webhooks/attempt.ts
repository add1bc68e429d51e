import { codeOf } from '../errors.ts';
import { type ConnectLimits, connectLimits, informationalCount, receiverPools } from './pools.ts';
import { signedHeaders } from './signature.ts';
import { parseTarget, type Resolve, resolveTarget, TargetError, type TargetRules } from './target.ts';

/** One attempt to send one event to one endpoint. */
export interface Attempt {
  readonly url: string;
  readonly eventId: string;
  /** The JSON text that is sent and signed, byte for byte. */
  readonly body: string;
  /** Signing secrets as `whsec_…`: the current one, then during a rotation the previous one. */
  readonly secrets: readonly string[];
  /** The additional headers that the endpoint is configured with. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The result of an attempt. It contains no secret of the endpoint and no data from DNS: its owner can read it. */
export interface AttemptResult {
  /** Whether the receiver answered 2xx. */
  readonly isDelivered: boolean;
  /** HTTP status of the answer; null without one. */
  readonly status: number | null;
  /** Why the attempt failed, in one of our own texts; null for a 2xx. */
  readonly error: string | null;
  /** The beginning of the answer's body as text, at most 1 KiB of UTF-8; null without an answer. */
  readonly answer: string | null;
  /** The header `Retry-After` of the answer, as it was received. */
  readonly retryAfter?: string | undefined;
}

/** Limits in milliseconds. */
export interface AttemptLimits extends ConnectLimits {
  /** A whole attempt: DNS lookup, connection, request, answer. */
  readonly longestAttempt: number;
}

export const attemptLimits: AttemptLimits = { ...connectLimits, longestAttempt: 10_000 };

interface Options extends TargetRules {
  readonly resolve: Resolve;
  /** By default those of production. */
  readonly limits?: Partial<AttemptLimits> | undefined;
}

/** Bytes of an answer's body that are read at most, and the first bytes of it that are kept. */
const readLimit = 65_536;
const keepLimit = 1_024;

/** Sends attempts, each over a connection to an address that was checked for this attempt (docs/contract.md#webhooks). */
export function attemptSender({ resolve, limits: given, ...rules }: Options) {
  const limits = { ...attemptLimits, ...given };
  const pools = receiverPools(limits);
  const timeoutText = `no answer within ${limits.longestAttempt / 1_000} s`;
  const running = new Set<AbortController>();
  let isOver = false;

  async function request(
    { url: text, eventId, body, secrets, headers }: Attempt,
    signal: AbortSignal,
  ): Promise<AttemptResult> {
    const url = parseTarget(text, rules);
    // A DNS lookup takes no signal, and undici ignores it until the connection is made. Both go on after an abort, and their
    // result is ignored; no request is sent.
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
    const addresses = await Promise.race([resolveTarget(url, rules, resolve), aborted]);
    return await pools.use(url, addresses, async (pool) => {
      const timestamp = Math.floor(Date.now() / 1_000);
      const answering = pool.request({
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
        onInfo: informationalCount(),
      });
      const answer = await Promise.race([answering, aborted]);
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
    /** Makes one attempt, within `longestAttempt`. Resolves with undefined if `abort` aborted it; never rejects. */
    async send(attempt: Attempt): Promise<AttemptResult | undefined> {
      if (isOver) return undefined;
      const ending = new AbortController();
      // Not `AbortSignal.timeout`: its timer would outlive the attempt.
      const timer = setTimeout(() => ending.abort(timeoutText), limits.longestAttempt);
      running.add(ending);
      try {
        return await request(attempt, ending.signal);
      } catch (error) {
        const { aborted, reason } = ending.signal;
        if (aborted && reason !== timeoutText) return undefined;
        return { isDelivered: false, status: null, error: aborted ? timeoutText : errorText(error), answer: null };
      } finally {
        clearTimeout(timer);
        running.delete(ending);
      }
    },

    /** Aborts all running attempts; later calls of `send` send nothing. Both resolve with undefined. */
    abort(): void {
      isOver = true;
      for (const ending of running) ending.abort();
    },

    close: () => pools.close(),
  };
}

/** The `lastError` of a delivery: our own sentence and the error's code, never its message, which may contain what was sent. */
function errorText(error: unknown): string {
  if (error instanceof TargetError) return error.message;
  const code = codeOf(error) ?? '';
  return /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? `no answer: ${code}` : 'no answer';
}

const lowerCased = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** Reads the beginning of a body. An error or a timeout while reading it is ignored: the status has been received. */
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
    // What was read so far is kept; the status decides about the attempt.
  }
  return validText(Buffer.concat(kept));
}

/** Decodes UTF-8: drops an incomplete character at the end, and replaces U+0000, which PostgreSQL cannot store. */
function validText(bytes: Buffer): string {
  const decode = (some: Uint8Array) => new TextDecoder().decode(some, { stream: true });
  // Cut a second time: invalid bytes became U+FFFD, which takes three bytes.
  return decode(Buffer.from(decode(bytes).replaceAll('\0', '\uFFFD')).subarray(0, keepLimit));
}

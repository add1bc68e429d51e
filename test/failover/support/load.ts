import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import type { Answer } from '../../support/http.ts';
import { type Call, openClient } from '../../support/kept-client.ts';
import type { AtEnd } from '../../support/process.ts';
import { tickedTime } from '../../support/ticks.ts';
import { type Acknowledged, nextCall } from '../../trust/support/exactly-once.ts';
import { expectUnavailable } from '../../trust/support/outage-clients.ts';

/**
 * Milliseconds between requests of a client: quick answers of 503 would otherwise take the processor from the servers.
 */
const pause = 20;
/** The most milliseconds of a request: the timeout of the proxy in deploy/replicas. */
const longest = 10_000;

interface Timed {
  readonly status: number;
  readonly isReplayed: boolean;
  readonly line: string;
  readonly origin: string;
  readonly ms: number;
  /** The time of the answer. */
  readonly at: number;
}

export const isGood = ({ status }: Timed) => status >= 200 && status < 300;
export const isRead = ({ line }: Timed) => line.startsWith('GET');
export const isWrite = (answer: Timed) => !isRead(answer);

/**
 * Clients of one key that change and create agents, and others that read, each request at one of the servers, until
 * they are stopped. A write is repeated until it is acknowledged, at either server, with one `Idempotency-Key`; other
 * answers must be 503 as documented, or 409 while an earlier attempt runs, and every answer must be in time.
 */
export function startLoad({
  key,
  origins,
  ids,
  writers = 8,
  readers = 4,
  atEnd = onTestFinished,
}: {
  readonly key: string;
  readonly origins: readonly string[];
  readonly ids: readonly string[];
  readonly writers?: number;
  readonly readers?: number;
  readonly atEnd?: AtEnd;
}) {
  const answers: Timed[] = [];
  const acknowledged: Acknowledged[] = [];
  let isOver = false;
  let isAbandoned = false;
  const anyOrigin = () => origins[randomInt(origins.length)] ?? '';

  async function ask(client: ReturnType<typeof openClient>, call: Call): Promise<Answer> {
    const origin = anyOrigin();
    const start = tickedTime();
    // A broken connection is no answer and fails the test.
    const answer = await client(origin, call);
    const at = tickedTime();
    const isReplayed = answer.headers['idempotent-replayed'] === 'true';
    const timed = { status: answer.status, isReplayed, line: call.line, origin, ms: at - start, at };
    answers.push(timed);
    if (!isGood(timed) && answer.status !== 409) expectUnavailable({ ...answer, line: call.line });
    await delay(pause);
    return answer;
  }

  async function save(client: ReturnType<typeof openClient>, call: Call): Promise<void> {
    const requestId = randomUUID();
    const headers = { 'x-request-id': requestId, 'idempotency-key': requestId };
    for (let times = 1; !isAbandoned; times += 1) {
      const answer = await ask(client, { ...call, headers });
      if ([409, 503].includes(answer.status)) continue;
      acknowledged.push({ requestId, call: { ...call, headers }, answer, times });
      return;
    }
  }

  const loads = Promise.all(
    Array.from({ length: writers + readers }, async (_, at) => {
      const client = openClient(key);
      for (let count = 0; !isOver; count += 1) {
        if (at < writers) await save(client, nextCall(ids, `c${at}`, count));
        else await ask(client, { line: `GET /agents/${ids[randomInt(ids.length)]}` });
      }
    }),
  );
  loads.catch(() => {});
  atEnd(async () => {
    isOver = true;
    isAbandoned = true;
    await loads.catch(() => {});
  });

  /** Resolves with the first answer since a time that `which` selects. */
  async function first(since: number, which: (answer: Timed) => boolean): Promise<Timed> {
    for (let at = 0; ; at += 1) {
      while (at === answers.length) await Promise.race([delay(5), loads]);
      const answer = answers[at];
      if (answer && answer.at > since && which(answer)) return answer;
    }
  }

  /** Milliseconds from a time until each server has answered a request that `which` selects with success. */
  async function recovery(since: number, which: (answer: Timed) => boolean): Promise<number> {
    const found = origins.map((origin) =>
      first(since, (answer) => answer.origin === origin && isGood(answer) && which(answer)),
    );
    return Math.max(...(await Promise.all(found)).map(({ at }) => at - since));
  }

  return {
    answers,
    acknowledged,
    first,
    /** Milliseconds until both servers answer reads, and until both answer writes. */
    untilRead: (since: number) => recovery(since, isRead),
    untilWritten: (since: number) => recovery(since, isWrite),

    /** Resolves with the time at which both servers have refused a read and a write. */
    async firstRefusal(since: number): Promise<number> {
      const found = origins.flatMap((origin) =>
        [isRead, isWrite].map((which) =>
          first(since, (answer) => answer.origin === origin && !isGood(answer) && which(answer)),
        ),
      );
      return Math.max(...(await Promise.all(found)).map(({ at }) => at));
    },

    /** Milliseconds from the first to the last failed answer since a time, of those that `which` selects. */
    refusedFor(since: number, which: (answer: Timed) => boolean): number {
      const refused = answers.filter((answer) => answer.at > since && !isGood(answer) && which(answer));
      // Sorted by their end.
      return (refused.at(-1)?.at ?? 0) - (refused[0]?.at ?? 0);
    },

    /** Resolves when `count` more writes are acknowledged. */
    async more(writes: number): Promise<void> {
      const enough = acknowledged.length + writes;
      while (acknowledged.length < enough) await Promise.race([delay(5), loads]);
    },

    /** Waits for the running requests and checks all answers. @returns a summary of the answers in words */
    async stop(): Promise<string> {
      isOver = true;
      await loads;
      const refused = answers.filter((answer) => !isGood(answer));
      const slowest = answers.reduce((most, { ms }) => Math.max(most, ms), 0);
      expect(slowest).toBeLessThan(longest);
      const resent = acknowledged.filter(({ times }) => times > 1);
      const replayed = resent.filter(({ answer }) => answer.headers['idempotent-replayed'] === 'true');
      return (
        `${answers.length} answers, ${refused.length} of them 503, the slowest after ${Math.round(slowest)} ms; ` +
        `${acknowledged.length} writes acknowledged, ${resent.length} sent again, ${replayed.length} saved before`
      );
    },
  };
}

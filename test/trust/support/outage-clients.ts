import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { scopes } from '../../../src/auth/api-key.ts';
import { apiKeyLifecycle } from '../../../src/auth/key-lifecycle.repository.ts';
import { companyRepository } from '../../../src/companies/repository.ts';
import { openDatabase } from '../../../src/database/client.ts';
import type { Answer } from '../../support/http.ts';
import { type Call, openClient, startUnlimited } from '../../support/kept-client.ts';
import { expectProblem } from '../../support/problem.ts';
import { tickedTime } from '../../support/ticks.ts';

/** The most milliseconds that a request may take during an attack: 5 s in the server, and time for this process. */
const longest = 5_500;

const clients = Array.from({ length: 8 }, (_, client) => client);
const agents = 4;
/**
 * Milliseconds between requests of a client: quick answers of 503 would otherwise take the processor from the server.
 */
const pause = 20;

/** The most milliseconds, far above every limit, that a request which must succeed is waited for. */
const patience = 60_000;

interface Timed extends Answer {
  readonly client: number;
  readonly line: string;
  readonly ms: number;
  /** The time of the answer. */
  readonly at: number;
}

interface Attack {
  /** Starts and ends the fault; when it resolves the recovery begins. */
  readonly task: () => Promise<void>;
  /** The requests that the fault affects; the others must be answered as usual. */
  readonly hits?: (line: string) => boolean;
  /** The most milliseconds until the first read and the first change succeed again: 2 seconds by default. */
  readonly recovery?: number;
}

/** A dry run writes nothing, so it succeeds also where no change does. */
const isWrite = ({ line }: Timed) => /^(PATCH|POST)/.test(line) && !line.includes('dryRun');
const isPatch = ({ line }: Timed) => line.startsWith('PATCH');
const isGood = ({ status }: Timed) => status >= 200 && status < 300;
const versionOf = ({ line, headers }: Timed) => `${line} ${headers.etag}`;

/** One secret for all, because a database has the fingerprint of the secret of its first key. */
const secret = randomUUID().repeat(2);

/**
 * A server process over a database, and clients that send every kind of request from the first attack until the end of
 * the test.
 */
export async function openOutageClients(
  { databaseUrl, ownerUrl }: { readonly databaseUrl: string; readonly ownerUrl: string },
  env: Readonly<Record<string, string>> = {},
) {
  const key = await makeKey(ownerUrl, secret);
  const { server, origin } = await startUnlimited({ databaseUrl, secret }, env);
  const setUp = openClient(key);
  const draft = { name: 'Under load', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
  const created = Array.from({ length: agents }, () => setUp(origin, { line: 'POST /agents', body: draft }));
  const ids = (await Promise.all(created)).map(({ body }): string => Object(body).id);
  const idOf = (client: number) => ids[client % agents] ?? '';

  const answers: Timed[] = [];
  /** The last acknowledged change of each client. */
  const saved = new Map<number, number>();
  let isOver = false;

  function nextCall(client: number, count: number): Call {
    const path = `/agents/${idOf(client)}`;
    const calls: readonly Call[] = [
      { line: `PATCH ${path}`, body: { metadata: { [`c${client}`]: count } } },
      { line: `GET ${path}` },
      { line: `PATCH ${path}`, body: { metadata: { [`c${client}`]: count } } },
      { line: 'GET /agents?limit=2' },
      { line: `POST ${path}/versions/1/restore?dryRun=true` },
      { line: 'GET /health/ready' },
      { line: 'POST /agents', body: draft },
    ];
    return calls[count % calls.length] ?? { line: '' };
  }

  async function ask(client: number): Promise<void> {
    const send = openClient(key);
    for (let count = 0; !isOver; count += 1) {
      const call = nextCall(client, count);
      const start = tickedTime();
      // A broken connection is no answer and fails the test.
      const answer = await send(origin, call);
      const at = tickedTime();
      const timed = { ...answer, client, line: call.line, ms: at - start, at };
      answers.push(timed);
      if (isGood(timed) && isPatch(timed)) saved.set(client, count);
      await delay(pause);
    }
  }

  /** Resolves with the milliseconds from a time until the first request that `which` selects has succeeded. */
  async function successSince(moment: number, which: (answer: Timed) => boolean): Promise<number> {
    while (tickedTime() - moment < patience) {
      const first = answers.find((answer) => answer.at > moment && isGood(answer) && which(answer));
      if (first) return first.at - moment;
      await Promise.race([delay(5), loads]);
    }
    const last = answers.findLast(which);
    throw new Error(`nothing succeeded; the last answer was ${last?.status} to ${last?.line}: ${last?.text}`);
  }

  const loads = Promise.all(clients.map(ask));
  loads.catch(() => {});
  onTestFinished(async () => {
    isOver = true;
    await loads.catch(() => {});
  });

  return {
    ids,

    /**
     * Carries out an attack under load. Affected requests succeed or are answered 503 as documented, all of them in
     * time; soon afterwards reads and writes succeed again, in the same process.
     */
    async expectRecoveryFrom({ task, hits = () => true, recovery = 2_000 }: Attack): Promise<void> {
      const isHit = ({ line }: Timed) => hits(line);
      await successSince(tickedTime(), (answer) => isHit(answer) && isWrite(answer));
      const from = answers.length;
      await task();
      const moment = tickedTime();
      const [read, written] = await Promise.all([
        successSince(moment, (answer) => !isWrite(answer)),
        successSince(moment, (answer) => isHit(answer) && isWrite(answer)),
      ]);
      const judged = answers.slice(from);
      const refused = judged.filter((answer) => !isGood(answer));
      for (const answer of refused) expectUnavailable(answer, isHit(answer));
      const slowest = judged.reduce((most, { ms }) => Math.max(most, ms), 0);
      console.log(
        `${judged.length} answers, ${refused.length} of them 503; the slowest after ${Math.round(slowest)} ms; ` +
          `first reading ${Math.round(read)} ms, first change ${Math.round(written)} ms after recovery`,
      );
      expect(refused.length).toBeGreaterThan(0);
      expect(slowest).toBeLessThan(longest);
      expect(Math.max(read, written)).toBeLessThan(recovery);
    },

    /**
     * Ends the load once every client has changed its agent again. Checks that every acknowledged change is stored and that
     * the process logged no error.
     */
    async expectAllSaved(): Promise<void> {
      const moment = tickedTime();
      await Promise.all(
        clients.map((client) => successSince(moment, (answer) => answer.client === client && isPatch(answer))),
      );
      isOver = true;
      await loads;
      // The next change would have the version of one that was lost.
      const versions = answers.filter((answer) => isGood(answer) && isPatch(answer)).map(versionOf);
      expect(new Set(versions).size).toBe(versions.length);
      for (const [client, count] of saved) {
        const { body } = await setUp(origin, { line: `GET /agents/${idOf(client)}` });
        expect(Object(body).metadata[`c${client}`]).toBeGreaterThanOrEqual(count);
      }
      expect(server.stderr).toBe('');
    },
  };
}

async function makeKey(ownerUrl: string, secret: string): Promise<string> {
  const database = openDatabase({ url: ownerUrl, connections: 1 });
  try {
    const { id: companyId } = await companyRepository(database.prisma, 'tester').createCompany('Under load');
    const draft = { companyId, integrationId: null, name: null, scopes, allowedIps: [], expiresAt: null };
    return (await apiKeyLifecycle(database, { secret }, 'tester').create(draft)).key;
  } finally {
    await database.close();
  }
}

/** A 503 as documented, for a request that the attack affects. */
export function expectUnavailable(answer: Answer & { readonly line: string }, isHit = true): void {
  const [, path = ''] = answer.line.split(' ');
  const code = Object(answer.body).code === 'OVERLOADED' ? 'OVERLOADED' : 'DATABASE_UNAVAILABLE';
  expectProblem(answer, { code, instance: path.split('?', 1)[0] ?? '' });
  expect(answer.headers['retry-after']).toMatch(/^[1-9]\d?$/);
  expect(isHit, answer.line).toBe(true);
}

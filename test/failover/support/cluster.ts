import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, expect, onTestFinished } from 'vitest';
import { withStrictUmask } from '../../support/composition.ts';
import { startProcess } from '../../support/process.ts';
import { storedRows } from '../../support/stored-rows.ts';
import { tickedTime } from '../../support/ticks.ts';
import { webhooksToLoopback } from '../../trust/support/webhook-companies.ts';
import { stopAll } from './processes.ts';

const names = ['node-1', 'node-2'] as const;
type Name = (typeof names)[number];

interface Pair {
  readonly primary: Name;
  readonly standby: Name;
}

export type Cluster = Awaited<ReturnType<typeof startCluster>>;

/**
 * The cluster of deploy/ha with its two servers, for the tests of one file. Changed settings are reset between tests.
 */
export async function startCluster() {
  const passwords = { OWNER_PASSWORD: randomUUID(), SERVER_PASSWORD: randomUUID(), CLUSTER_PASSWORD: randomUUID() };
  const secret = randomUUID().repeat(2);
  const program = startProcess(withStrictUmask('deploy/ha/run.ts'), {
    env: {
      ...{ ...passwords, API_KEY_SECRET: secret, LOG_LEVEL: 'fatal', ...webhooksToLoopback },
      ...{ RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0', RATE_LIMIT_REFUSED_PER_MINUTE: '0' },
    },
    atEnd: afterAll,
  });
  // Registered separately: it removes its folder, and stops the servers first.
  afterAll(async () => {
    if (program.signal('SIGTERM')) expect(await program.exit).toEqual({ code: 0, signal: null });
  });
  const address = await program.until(/^HAProxy leads to the primary on (\S+)$/m);
  /** The last known state of each process. */
  const printed = (pattern: string) => [...program.stdout.matchAll(new RegExp(pattern, 'gm'))].at(-1)?.[1] ?? '';
  const urlOf = (role: string, password: string, at = address) =>
    `postgresql://${role}:${password}@${at}/interview_agents`;
  const ownerUrl = urlOf('agents_owner', passwords.OWNER_PASSWORD);
  const sql = new pg.Pool({ connectionString: ownerUrl, max: 4 });
  // A connection that a failover breaks is replaced.
  sql.on('error', () => {});
  afterAll(() => sql.end());

  const restOf = (name: Name) => `http://${printed(`^${name} has its data in .*, Patroni on (\\S+)$`)}`;
  const authorization = `Basic ${Buffer.from(`patroni:${passwords.CLUSTER_PASSWORD}`).toString('base64')}`;
  const patroni = (name: Name, method: string, path: string, body: object) =>
    fetch(`${restOf(name)}${path}`, { method, headers: { authorization }, body: JSON.stringify(body) });

  async function is(name: Name, what: 'primary' | 'synchronous' | 'replica'): Promise<boolean> {
    const signal = AbortSignal.timeout(2_000);
    const answer = await fetch(`${restOf(name)}/${what}`, { method: 'OPTIONS', signal }).catch(() => undefined);
    return answer?.status === 200;
  }

  async function primary(): Promise<Name | undefined> {
    const found = await Promise.all(names.map((name) => is(name, 'primary')));
    return names.find((_, at) => found[at]);
  }

  async function pair(): Promise<Pair | undefined> {
    for (const [one, other] of [names, ['node-2', 'node-1']] as const) {
      const found = await Promise.all([is(one, 'primary'), is(other, 'synchronous')]);
      if (!found.includes(false)) return { primary: one, standby: other };
    }
    return undefined;
  }

  const ended = program.exit.then(() => Promise.reject(new Error(`the cluster ended: ${program.stderr}`)));
  ended.catch(() => {});

  /** Resolves with the time once a condition is true; checks every 50 ms. */
  async function until(isSo: () => Promise<boolean>): Promise<number> {
    while (!(await Promise.race([isSo(), ended]))) await delay(50);
    return tickedTime();
  }

  /** The processes of Patroni and of the postmaster. */
  function programsOf(name: Name): [patroni: number, postmaster: number] {
    const data = printed(`^${name} has its data in (\\S+),`);
    const [postmaster] = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    return [Number(printed(`^${name} is process (\\d+)$`)), Number(postmaster)];
  }

  return {
    program,
    ownerUrl,
    databaseUrl: urlOf('agents_server', passwords.SERVER_PASSWORD),
    secret,
    sql,
    ...storedRows(sql),
    servers: ['server-1', 'server-2'].map((name) => printed(`^${name} .* listens on (\\S+),`)),
    /** Runs SQL as a superuser of one node, bypassing HAProxy. */
    superUrl: (name: Name) =>
      urlOf('postgres', passwords.CLUSTER_PASSWORD, printed(`^${name} .*, PostgreSQL on (\\S+),`)),
    is,
    primary,
    until,

    pair,

    /** Resolves with the primary and its synchronous standby once both exist. */
    async whole(): Promise<Pair> {
      for (;;) {
        const found = await pair();
        if (found) return found;
        await Promise.race([delay(50), ended]);
      }
    },

    /** Kills all processes of a node, like a lost machine. */
    kill(name: Name): void {
      for (const pid of stopAll(programsOf(name))) process.kill(pid, 'SIGKILL');
    },

    /** Freezes all processes of a node. @returns resumes them; the end of the test does so too */
    freeze(name: Name): () => void {
      const stopped = stopAll(programsOf(name));
      const thaw = () => {
        for (const pid of stopped.splice(0)) process.kill(pid, 'SIGCONT');
      };
      onTestFinished(thaw);
      return thaw;
    },

    /** The last log lines of its programs, without those that come every second. */
    lastWords: () =>
      [program.stdout, program.stderr]
        .flatMap((text) =>
          text
            .split('\n')
            .filter((line) => /INFO|WARNING|^\S+ (is|ended)/.test(line) && !/Lock owner|no action|Watchdog/.test(line)),
        )
        .slice(-60)
        .join('\n'),

    /** The process of etcd. */
    etcd: () => Number(printed('^etcd is process (\\d+)$')),
    /** Restarts what was killed. */
    revive: () => program.signal('SIGHUP'),

    /** The number of promotions that Patroni has recorded; 0 if it does not answer. */
    async promotions(): Promise<number> {
      const name = (await primary()) ?? 'node-1';
      const signal = AbortSignal.timeout(2_000);
      const answer = await fetch(`${restOf(name)}/history`, { signal }).catch(() => undefined);
      return answer?.ok ? Object(await answer.json()).length : 0;
    },

    /** Resolves with the time once HAProxy leads to a primary. */
    untilLed: () =>
      until(async () => {
        const limits = { connectionTimeoutMillis: 1_000, query_timeout: 1_000 };
        const client = new pg.Client({ connectionString: ownerUrl, ...limits });
        client.on('error', () => {});
        try {
          await client.connect();
          return (await client.query('SELECT pg_is_in_recovery() AS standby')).rows[0].standby === false;
        } catch {
          return false;
        } finally {
          client.end().catch(() => {});
        }
      }),

    async switchOver(from: Name, to: Name): Promise<void> {
      const answer = await patroni(from, 'POST', '/switchover', { leader: from, candidate: to });
      expect(await answer.text()).toMatch(/^Successfully switched over to "node-[12]"$/);
    },

    /** Changes settings of the cluster until the end of the test, as `patronictl edit-config` does. */
    async configureFor(settings: Readonly<Record<string, boolean>>, restored: typeof settings): Promise<void> {
      const change = async (changed: typeof settings) => {
        await until(async () => (await primary()) !== undefined);
        const answer = await patroni((await primary()) ?? 'node-1', 'PATCH', '/config', changed);
        expect(answer.status).toBe(200);
      };
      onTestFinished(() => change(restored));
      await change(settings);
    },

    /** Waits until Patroni on both nodes knows the members, which `failsafe_mode` needs while etcd is down. */
    async untilFailsafe(): Promise<void> {
      for (const name of names) {
        await until(async () => {
          const answer = await fetch(`${restOf(name)}/failsafe`);
          return answer.ok && Object.keys(Object(await answer.json())).length === names.length;
        });
      }
    },
  };
}

import { randomInt, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, inject, test } from 'vitest';
import type { Asked, History, Recorded, Shown } from '../support/history.ts';
import { unexplained } from '../support/history-check.ts';
import { type Client, openClient, startUnlimited } from '../support/kept-client.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';
import { anyDraft, type Draft } from './support/arbitrary-calls.ts';
import { answeredBy, callFor, shownBy } from './support/recording.ts';

const world = await openWorld();
const rounds = inject('isShort') ? 3 : 30;
const clients = 20;
const callsEach = 60;
const agents = 3;

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

/** An agent, all calls on it, and the newest version that any client has seen. */
interface Subject {
  readonly id: string;
  readonly first: Shown;
  readonly calls: Recorded[];
  newest: number;
}

function askedBy({ kind, patch, dryRun, ifMatch, ifNoneMatch, back }: Draft, newest: number): Asked {
  const tag = (ago: number | undefined) => (ago === undefined ? undefined : Math.max(1, newest - ago));
  const match = ifMatch === undefined ? {} : { ifMatch: tag(ifMatch) ?? 1 };
  const none = ifNoneMatch === undefined ? {} : { ifNoneMatch: tag(ifNoneMatch) ?? 1 };
  if (kind === 'read') return { kind, ...none };
  if (kind === 'delete') return { kind, ...match };
  if (kind === 'restore') return { kind, version: Math.max(1, newest - back), dryRun, ...match };
  return { kind, patch, dryRun, ...match, ...none };
}

async function call(client: Client, origin: string, subject: Subject, asked: Asked): Promise<void> {
  const requestId = randomUUID();
  const start = performance.now();
  const answered = answeredBy(await client(origin, callFor(subject.id, asked, requestId)));
  const end = performance.now();
  subject.calls.push({ requestId, asked, answered, start, end });
  if (answered.status === 200) subject.newest = Math.max(subject.newest, answered.shown.version);
}

/** The stored history must equal that of the answers; for lost answers it shows whether the call was carried out. */
async function historyOf({ id, first, calls }: Subject): Promise<History> {
  const { row, history } = await storedAgent(world, id);
  const stored = new Map(
    history.map(({ version, requestId, createdAt, snapshot }) => [
      version,
      { requestId: requestId ?? '', updatedAt: createdAt.toISOString(), snapshot },
    ]),
  );
  return { first, calls, stored, isDeleted: row.deleted_at !== null };
}

const endSessions = () =>
  world.sql.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'interview-agents-api'`,
  );

test.for(upTo(rounds))(
  'an order of all calls explains every answer when 20 clients patch, restore, delete and read through two processes, round %d',
  async (round) => {
    const seed = randomInt(2 ** 31);
    const company = await world.company();
    const number = await world.phoneNumber(company.id);
    const servers = await Promise.all([startUnlimited(world), startUnlimited(world)]);
    const origins = servers.map(({ origin }) => origin);
    const drafts = fc.sample(anyDraft(number), { seed, numRuns: clients * callsEach });
    const setUp = openClient(company.key);
    const subjects = await Promise.all(
      upTo(agents).map(async (): Promise<Subject> => {
        const { id } = await world.agent(company.id);
        const first = shownBy(await setUp(world.origin, { line: `GET /agents/${id}` }));
        return { id, first, calls: [], newest: 1 };
      }),
    );
    let count = 0;
    await Promise.all(
      upTo(clients).map(async (at) => {
        const client = openClient(company.key);
        for (const draft of drafts.slice(at * callsEach, (at + 1) * callsEach)) {
          count += 1;
          // In every other round the servers' connections are cut now and then, which loses some answers.
          if (round % 2 === 1 && count % 150 === 0) await endSessions();
          const subject = subjects[(count + at) % agents];
          if (subject) await call(client, origins[at % 2] ?? '', subject, askedBy(draft, subject.newest));
        }
      }),
    );
    expect(servers.map(({ server }) => server.stderr)).toEqual(['', '']);
    const histories = await Promise.all(subjects.map(historyOf));
    const all = histories.flatMap(({ calls }) => calls);
    const statuses = [200, 204, 304, 400, 404, 412, 503].map(
      (status) => `${all.filter(({ answered }) => answered.status === status).length} × ${status}`,
    );
    console.log(
      `seed ${seed}: ${all.length} calls, ${statuses.join(', ')}; ` +
        `${histories.map(({ stored, isDeleted }) => `${stored.size} versions${isDeleted ? ', deleted' : ''}`).join('; ')}`,
    );
    for (const history of histories) expect(unexplained(history), `seed ${seed}`).toEqual([]);
  },
);

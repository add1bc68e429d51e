import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type AgentField, agentFields, answeredFields, fields } from '../../src/agents/fields.ts';
import { callsOf } from './calls.ts';
import { run } from './connection.ts';
import { emptyDatabase } from './empty-database.ts';
import type { Answer } from './http.ts';
import { printedBy } from './operator.ts';
import { runProgram, startServer } from './process.ts';
import type { Attempt } from './too-slow.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures');

/** A recorded request to the last release, and its answer. */
export interface RecordedCall {
  /** The name of an API key. */
  readonly key: string;
  readonly line: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly status: number;
  /** Headers about the agent. */
  readonly answer: Readonly<Record<string, string>>;
  readonly text: string;
}

interface Recorded {
  /** The requests in order. All had an Idempotency-Key, so their answers were kept. */
  readonly kept: readonly RecordedCall[];
  /** Reads after the last change. */
  readonly reads: readonly RecordedCall[];
}

/** Keys whose hashes, with this secret, are in the dump. */
const secret = 'a secret of the tests alone, in no server';
const keyOf = (name: string) => `sk_${name.padEnd(43, '0')}`;

/** The requests to the last release and its answers. */
export const recorded: Recorded = JSON.parse(await readFile(join(fixtures, 'last-release.json'), 'utf8'));
const dump = await readFile(join(fixtures, 'last-release.sql'), 'utf8');

/** The number of rows of a table in the dump. */
export const rowsInDump = (table: string) => dump.split(`\nINSERT INTO public.${table} `).length - 1;

/**
 * Restores the dump of the last release into an empty database, migrates it with this release and starts a server on it.
 * @param missing fields that are removed from all its snapshots and kept answers first
 */
export async function restoreLastRelease({ timed, atEnd }: Attempt, missing: readonly AgentField[] = []) {
  const ownerUrl = await emptyDatabase();
  await run(ownerUrl, dump);
  const names = `'{${missing.join(',')}}'::text[]`;
  // Kept answers expire after a day. A trigger prevents changes of the history.
  await run(
    ownerUrl,
    `SET session_replication_role = replica;
     UPDATE agent_version SET snapshot = snapshot - ${names};
     UPDATE idempotency_key SET created_at = now(),
            agent = CASE WHEN cardinality(${names}) = 0 THEN agent ELSE (agent::jsonb - ${names})::json END`,
  );
  const migrated = await runProgram(['dist/migrate.js', '--server-role', inject('serverRole')], {
    env: { DATABASE_URL: ownerUrl },
  });
  if (migrated.code !== 0) throw new Error(migrated.stderr);
  const url = new URL(ownerUrl);
  url.username = url.password = inject('serverRole');
  const env = { DATABASE_URL: url.href, API_KEY_SECRET: secret, NODE_ENV: 'production' };
  const { origin } = await startServer(env, { atEnd });
  const { send } = callsOf(origin, timed);
  return {
    query: (sql: string) => run(ownerUrl, sql),

    /** Runs a command of the operator and returns what it prints. */
    printed: printedBy({ ownerUrl, secret }),

    /** Sends a recorded request, or another one with one of its keys. */
    send({ key, line, headers = {}, body }: Pick<RecordedCall, 'key' | 'line' | 'headers' | 'body'>): Promise<Answer> {
      const [method = '', path = ''] = line.split(' ');
      const type = body !== undefined && { 'content-type': 'application/json' };
      const all = { authorization: `Bearer ${keyOf(key)}`, ...type, ...headers };
      return send({ method, path, headers: all, ...(body !== undefined && { body }) });
    },
  };
}

/** Fields that answers have now and did not have then. */
const added = answeredFields.filter((name) => !recorded.reads.some(({ text }) => text.includes(`"${name}":`)));

/** The JSON of an answer with one agent, as this release writes it: new members come last. */
export const withAddedFields = (text: string) =>
  text.replace(/\}$/, `${added.map((name) => `,"${name}":${JSON.stringify(fields[name].initial)}`).join('')}}`);

/** Any answer as this release writes it: agents in it have the added fields, with initial values. */
export function completed(value: unknown, missing: readonly AgentField[] = []): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('data' in value && Array.isArray(value.data)) {
    return { ...value, data: value.data.map((item) => completed(item, missing)) };
  }
  if (!('metadata' in value)) return value;
  const set = [...added, ...missing.filter((name) => name in value)];
  return { ...value, ...Object.fromEntries(set.map((name) => [name, fields[name].initial])) };
}

/** All fields of an agent as a version shows it. */
export const fieldsOf = (version: object) =>
  Object.fromEntries(Object.entries(version).filter(([name]) => agentFields.some((field) => field === name)));

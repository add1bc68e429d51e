import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type AgentField, agentFields, answeredFields, fields } from '../../src/agents/fields.ts';
import { callsOf } from './calls.ts';
import { run } from './connection.ts';
import { emptyDatabase } from './empty-database.ts';
import type { Answer } from './http.ts';
import { runProgram, startServer } from './process.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures');

/** A request to the last release, and its answer. */
export interface RecordedCall {
  /** The name of an API key. */
  readonly key: string;
  readonly line: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly status: number;
  /** The headers about the agent. */
  readonly answer: Readonly<Record<string, string>>;
  readonly text: string;
}

interface Recorded {
  /** In their order; the answers were kept, since the requests had an Idempotency-Key. */
  readonly kept: readonly RecordedCall[];
  /** After the last change. */
  readonly reads: readonly RecordedCall[];
}

/** The hashes in the dump are of these keys under this secret. */
const secret = 'a secret of the tests alone, in no server';
const keyOf = (name: string) => `sk_${name.padEnd(43, '0')}`;

/** The requests to the last release and its answers. */
export const recorded: Recorded = JSON.parse(await readFile(join(fixtures, 'last-release.json'), 'utf8'));
const dump = await readFile(join(fixtures, 'last-release.sql'), 'utf8');

/**
 * Restores the dump of the last release into an empty database, migrates it with this release and starts a server on it.
 * @param missing fields that are taken out of all its snapshots and kept answers first
 */
export async function restoreLastRelease(missing: readonly AgentField[] = []) {
  const ownerUrl = await emptyDatabase();
  await run(ownerUrl, dump);
  const names = `'{${missing.join(',')}}'::text[]`;
  // Answers are kept for a day. That history never changes is a trigger's rule.
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
  const { origin } = await startServer({ DATABASE_URL: url.href, API_KEY_SECRET: secret, NODE_ENV: 'production' });
  const { send } = callsOf(origin);
  return {
    query: (sql: string) => run(ownerUrl, sql),

    /** Sends a request, a recorded one or another with one of its keys. */
    send({ key, line, headers = {}, body }: Pick<RecordedCall, 'key' | 'line' | 'headers' | 'body'>): Promise<Answer> {
      const [method = '', path = ''] = line.split(' ');
      const type = body !== undefined && { 'content-type': 'application/json' };
      const all = { authorization: `Bearer ${keyOf(key)}`, ...type, ...headers };
      return send({ method, path, headers: all, ...(body !== undefined && { body }) });
    },
  };
}

/** Fields that answers have now and had not then. */
const added = answeredFields.filter((name) => !recorded.reads.some(({ text }) => text.includes(`"${name}":`)));

/** The text of an answer that shows one agent, as this release gives it: new members come last. */
export const withAddedFields = (text: string) =>
  text.replace(/\}$/, `${added.map((name) => `,"${name}":${JSON.stringify(fields[name].initial)}`).join('')}}`);

/** The value of any answer as this release gives it: agents in it have the added fields, and initial values for some. */
export function completed(value: unknown, missing: readonly AgentField[] = []): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('data' in value && Array.isArray(value.data)) {
    return { ...value, data: value.data.map((item) => completed(item, missing)) };
  }
  if (!('metadata' in value)) return value;
  const set = [...added, ...missing.filter((name) => name in value)];
  return { ...value, ...Object.fromEntries(set.map((name) => [name, fields[name].initial])) };
}

/** The statement by which docs/backup.md finds agents that are not as their history says. */
export const statementIn = (command: string) => /<<'SQL'\n([\s\S]*)\nSQL\n/.exec(command)?.[1] ?? '';

/** All fields of an agent as a version shows it. */
export const fieldsOf = (version: object) =>
  Object.fromEntries(Object.entries(version).filter(([name]) => agentFields.some((field) => field === name)));

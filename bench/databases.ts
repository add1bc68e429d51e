import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import pg from 'pg';
import { type AnyField, agentFields, fields } from '../src/agents/fields.ts';
import { hashKey, makeKey, scopes, startOf } from '../src/auth/api-key.ts';
import { migrate } from '../src/database/migrate.ts';
import { writeRoleSettings } from '../src/database/server-role.ts';
import { withMigrationLock } from '../src/database/session.ts';
import { firstEntriesSql } from './contestants/statements.ts';
import { type Dataset, type TargetKind, targetKinds } from './plan.ts';
import { processorTimeUnder } from './processor.ts';
import { largeMetadata } from './requests.ts';

/** The companies, each with its key, the same in all datasets. */
interface Company {
  readonly id: string;
  readonly key: string;
}

/** The databases of the benchmark in one PostgreSQL: datasets, and a copy of one for each stage. */
export interface Databases {
  /**
   * Makes the database of a dataset, unless it was made before, and the files of lines "path key" that loads choose from.
   * @param fileOf the file of a kind of targets
   */
  prepare(dataset: Dataset, fileOf: (kind: TargetKind) => string): Promise<void>;
  /**
   * Makes a copy of a dataset and writes all of it to disk, so that no stage inherits dead rows, history or unwritten
   * pages.
   * @param name of the copy
   * @returns its URL
   */
  copy(dataset: Dataset, name: string): Promise<string>;
  /** Drops a copy. */
  drop(name: string): Promise<void>;
  /**
   * Milliseconds of processor time of all processes of PostgreSQL since their start; undefined if the system does not
   * provide it.
   */
  processorTime(): Promise<number | undefined>;
  /** Facts about PostgreSQL for the results. */
  facts(): Promise<Record<string, string>>;
}

/**
 * @param url of any database of the PostgreSQL
 * @param postmaster its process
 * @param secret for the keys
 */
export function databasesAt(url: string, postmaster: number, secret: string): Databases {
  const prepared = new Set<string>();
  const urlOf = (name: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  const asOperator = <Result>(task: (client: pg.Client) => Promise<Result>) => withClient(urlOf('postgres'), task);

  return {
    async prepare(dataset, fileOf) {
      if (prepared.has(dataset.name)) return;
      await asOperator((client) => client.query(`CREATE DATABASE ${dataset.name}`));
      await migrate(urlOf(dataset.name));
      await withClient(urlOf(dataset.name), async (client) => {
        const companies = Array.from({ length: dataset.companies }, () => ({ id: randomUUID(), key: makeKey() }));
        await load(client, dataset, companies, secret);
        const agents = await agentsIn(client, companies);
        const lines = { agents, 'one-agent': agents.slice(0, 1), pages: companies.flatMap(pagesOf) };
        for (const kind of targetKinds) await writeFile(fileOf(kind), lines[kind].join(''));
      });
      prepared.add(dataset.name);
    },

    async copy(dataset, name) {
      await asOperator((client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${dataset.name} STRATEGY FILE_COPY`));
      await withMigrationLock(urlOf(name), writeRoleSettings);
      await asOperator((client) => client.query('CHECKPOINT'));
      return urlOf(name);
    },

    async drop(name) {
      await asOperator((client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },

    processorTime: () => processorTimeUnder(postmaster),

    facts: () => asOperator(factsOf),
  };
}

/** Runs a task on a connection without time limits. */
export async function withClient<Result>(url: string, task: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url, options: '-c statement_timeout=0 -c lock_timeout=0' });
  await client.connect();
  try {
    return await task(client);
  } finally {
    await client.end();
  }
}

async function load(client: pg.Client, { agents, metadata }: Dataset, companies: readonly Company[], secret: string) {
  const ids = companies.map(({ id }) => id);
  const keys = companies.map(({ key }) => key);
  // The rows are known to be valid, and checking a million references would take most of the time.
  await client.query('SET session_replication_role = replica');
  await client.query('BEGIN');
  await client.query("INSERT INTO company (id, name) SELECT id, 'Company of ' || id FROM unnest($1::uuid[]) AS id", [
    ids,
  ]);
  await client.query(
    `INSERT INTO api_key (company_id, name, start, hash, scopes)
     SELECT company, 'Benchmark', start, hash, $4::text[] FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k(company, start, hash)`,
    [ids, keys.map(startOf), keys.map((key) => hashKey(key, secret)), scopes],
  );
  await client.query(agentsSql, [ids, agents, JSON.stringify(metadata === 'large' ? largeMetadata() : {})]);
  await client.query(firstEntriesSql);
  await client.query('COMMIT');
  await client.query('VACUUM (ANALYZE)');
}

/**
 * $1 companies, $2 how many agents, $3 metadata that all of them get beside their own: about half a kilobyte each. In
 * the order of their ids, so that the indexes grow at one end.
 */
const agentsSql = `
  INSERT INTO agent (id, company_id, created_at, updated_at, ${agentFields.map((name) => fields[name].column).join(', ')})
  SELECT id, ($1::uuid[])[1 + n % cardinality($1)], made, made, ${agentFields.map(contentOf).join(', ')}
    FROM (SELECT gen_random_uuid() AS id, n, date_trunc('milliseconds', now() - n * interval '1 second') AS made
            FROM generate_series(1, $2::int) AS n ORDER BY id) AS seed`;

function contentOf(field: (typeof agentFields)[number]): string {
  switch (field) {
    case 'name':
      return "'Interview for position ' || n";
    case 'type':
      return "'ONLINE'";
    case 'focus':
      return "(ARRAY['GENERIC', 'SCREENING', 'OUTREACH', 'LANGUAGE_TEST'])[1 + n % 4]";
    case 'language':
      return "(ARRAY['EN', 'DE', 'FR', 'ES', 'NL'])[1 + n % 5]";
    case 'duration':
      return '15 + n % 46';
    case 'questions':
      return `jsonb_build_array('What drew you to position ' || n || '?', 'Which project are you proud of, and why?',
        'Tell us of a time when you disagreed with your team.', 'When could you start?', 'What do you expect to earn?')`;
    case 'instructions':
      return "'Be friendly, ask one question at a time, and leave time for questions of the candidate.'";
    case 'metadata':
      return `$3::jsonb || jsonb_build_object('department', 'Department ' || n % 12, 'position', 'P-' || n,
        'openings', n % 7, 'stage', 'sourced')`;
    default:
      return initialOf(field);
  }
}

/** SQL for the initial value of a field. */
function initialOf(field: (typeof agentFields)[number]): string {
  const { initial, sqlType }: AnyField = fields[field];
  if (initial === null) return 'NULL';
  return `${pg.escapeLiteral(typeof initial === 'string' ? initial : JSON.stringify(initial))}::${sqlType}`;
}

/** Lines "path key" for each agent, in random order. */
async function agentsIn(client: pg.Client, companies: readonly Company[]): Promise<string[]> {
  const keyOf = new Map(companies.map(({ id, key }) => [id, key]));
  const { rows } = await client.query<string[]>({
    text: 'SELECT id, company_id FROM agent ORDER BY id',
    rowMode: 'array',
  });
  return rows.map(([id, company = '']) => `/agents/${id} ${keyOf.get(company)}\n`);
}

/** Lines "path key" for the first pages of each company's list. */
function pagesOf({ key }: Company): string[] {
  return Array.from({ length: 50 }, (_, index) => `/agents?limit=20&page=${index + 1} ${key}\n`);
}

async function factsOf(client: pg.Client): Promise<Record<string, string>> {
  const { rows } = await client.query<{ name: string; value: string }>(
    `SELECT name, current_setting(name) AS value
       FROM unnest(ARRAY['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers']) AS name`,
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

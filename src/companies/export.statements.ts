import { columns } from '../agents/row.statements.ts';
import { constant, type Statement, sql, timeText } from '../database/statement.ts';

/** The members of a line, each with its column. */
type Members = readonly (readonly [member: string, column: string])[];

/** Members whose columns have the same names, in snake case. */
const named = (...members: readonly string[]): Members =>
  members.map((member) => [member, member.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]);

const expressionOf = (column: string) => (column.endsWith('_at') ? timeText(column) : column);

/** SQL for a line. PostgreSQL makes the JSON, because JavaScript would round some of the stored numbers. */
const line = (record: string, table: string, members: Members) => {
  const pairs = members.map(([member, column]) => `'${member}', ${expressionOf(`${table}.${column}`)}`);
  return constant(`json_build_object(${[`'record', '${record}'`, ...pairs].join(', ')})::text AS line`);
};

const company = line('company', 'c', named('id', 'name', 'createdAt'));
const agent = line('agent', 'a', [...columns, ...named('deletedAt')]);

// biome-ignore format: a list
const version = line('version', 'v', named(
  'agentId', 'version', 'createdAt', 'changedFields', 'restoredFrom', 'operator', 'keyId', 'requestId', 'callerAddress',
  'snapshot',
));

// biome-ignore format: a list
const auditEntry = line('auditEntry', 'e', named(
  'id', 'createdAt', 'action', 'operator', 'actingKeyId', 'requestId', 'callerAddress', 'companyId', 'integrationId',
  'keyId', 'phoneNumberId', 'agentId', 'details',
));

/** Rows that one statement reads, for tables with small rows. */
const batch = constant('1000');

/** Selects the next rows of a company behind an id: the line and the id of each. */
export type Listing = (companyId: string, after: string) => Statement;

export const companyLine: Listing = (companyId, after) => sql`
  SELECT c.id, ${company} FROM company c WHERE c.id = ${companyId}::uuid AND c.id > ${after}::uuid`;

/**
 * A listing of a table of a company, in the order of its ids.
 * @param id its column
 */
function listing(record: string, table: string, members: Members, id = 'id'): Listing {
  const [shown, from, key] = [line(record, 't', members), constant(table), constant(`t.${id}`)];
  return (companyId, after) => sql`
  SELECT ${key} AS id, ${shown} FROM ${from} t
   WHERE t.company_id = ${companyId}::uuid AND ${key} > ${after}::uuid ORDER BY ${key} LIMIT ${batch}`;
}

const ofNumber = named('id', 'companyId', 'number', 'status', 'createdAt');
export const phoneNumberLines = listing('phoneNumber', 'company_phone_number', ofNumber);

const ofGrant = named('integrationId', 'companyId', 'grantedAt');
export const grantLines = listing('grant', 'integration_company', ofGrant, 'integration_id');

/** All columns but the hash. */
// biome-ignore format: a list
export const keyLines = listing('key', 'api_key', named(
  'id', 'companyId', 'name', 'start', 'scopes', 'allowedIps', 'perMinute', 'perHour', 'createdAt', 'expiresAt',
  'suspendedAt', 'revokedAt', 'lastUsedAt',
));

/** All columns but those that are encrypted. */
// biome-ignore format: a list
export const webhookEndpointLines = listing('webhookEndpoint', 'webhook_endpoint', named(
  'id', 'companyId', 'url', 'events', 'description', 'headerNames', 'status', 'disabledReason', 'createdAt', 'updatedAt',
  'lastSuccessAt', 'lastFailureAt',
));

export const auditLines: Listing = (companyId, after) => sql`
  WITH place AS (
    SELECT coalesce(max(b.created_at), '-infinity') AS at FROM audit_entry b WHERE b.id = ${after}::uuid
  )
  SELECT e.id, ${auditEntry} FROM audit_entry e
   WHERE e.company_id = ${companyId}::uuid AND e.created_at >= (SELECT at FROM place)
     AND (e.created_at, e.id) > ((SELECT at FROM place), ${after}::uuid)
   ORDER BY e.created_at, e.id LIMIT ${batch}`;

/** Agents or versions that one statement reads: each can have half a megabyte. */
export const agentBatch = 50;

/** These agents, in the order of their ids, each with its version. */
export const agentLines = (ids: readonly string[]) => sql`
  SELECT a.id, a.version, ${agent} FROM agent a WHERE a.id = ANY(${ids}::uuid[]) ORDER BY a.id`;

/** A version of an agent. */
export interface AgentAtVersion {
  readonly id: string;
  readonly version: number;
}

/** The next versions of these agents behind `after`, by agent and version; of each agent up to the given version. */
export const versionLines = (agents: readonly AgentAtVersion[], after: AgentAtVersion) => sql`
  WITH next AS (
    SELECT part.* FROM unnest(${agents.map(({ id }) => id)}::uuid[], ${agents.map(({ version }) => version)}::int[])
                       WITH ORDINALITY AS given(id, version, place),
           LATERAL (SELECT h.agent_id, h.version, given.place FROM agent_version h
                     WHERE h.agent_id = given.id AND h.version <= given.version
                       AND (h.agent_id, h.version) > (${after.id}::uuid, ${after.version}::int)
                     ORDER BY h.version LIMIT ${agentBatch}::int) part
     ORDER BY part.place, part.version LIMIT ${agentBatch}::int
  )
  SELECT v.agent_id AS id, v.version, ${version}
    FROM next JOIN agent_version v ON v.agent_id = next.agent_id AND v.version = next.version
   ORDER BY next.place, next.version`;

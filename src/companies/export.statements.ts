import { columns } from '../agents/row.statements.ts';
import { constant, type Statement, sql } from '../database/statement.ts';

/** The members of a line, each with its SQL expression. Times are RFC 3339 in UTC, as in answers. */
type Members = Readonly<Record<string, string>>;

const time = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** SQL for a line. PostgreSQL makes the JSON, because JavaScript would round some of the stored numbers. */
const line = (record: string, members: Members) => {
  const pairs = Object.entries({ record: `'${record}'`, ...members }).map(([name, value]) => `'${name}', ${value}`);
  return constant(`json_build_object(${pairs.join(', ')})::text AS line`);
};

const company = line('company', { id: 'c.id', name: 'c.name', createdAt: time('c.created_at') });

const phoneNumber = line('phoneNumber', {
  id: 'p.id',
  companyId: 'p.company_id',
  number: 'p.number',
  status: 'p.status',
  createdAt: time('p.created_at'),
});

/** All columns but the hash. */
const key = line('key', {
  id: 'k.id',
  companyId: 'k.company_id',
  name: 'k.name',
  start: 'k.start',
  scopes: 'k.scopes',
  allowedIps: 'k.allowed_ips',
  perMinute: 'k.per_minute',
  perHour: 'k.per_hour',
  createdAt: time('k.created_at'),
  expiresAt: time('k.expires_at'),
  suspendedAt: time('k.suspended_at'),
  revokedAt: time('k.revoked_at'),
  lastUsedAt: time('k.last_used_at'),
});

/** All columns but those that are encrypted. */
const webhookEndpoint = line('webhookEndpoint', {
  id: 'w.id',
  companyId: 'w.company_id',
  url: 'w.url',
  events: 'w.events',
  description: 'w.description',
  headerNames: 'w.header_names',
  status: 'w.status',
  disabledReason: 'w.disabled_reason',
  createdAt: time('w.created_at'),
  updatedAt: time('w.updated_at'),
  lastSuccessAt: time('w.last_success_at'),
  lastFailureAt: time('w.last_failure_at'),
});

const agentMembers = columns.map(([member, column]) => [
  member,
  column.endsWith('_at') ? time(`a.${column}`) : `a.${column}`,
]);
const agent = line('agent', { ...Object.fromEntries(agentMembers), deletedAt: time('a.deleted_at') });

const version = line('version', {
  agentId: 'v.agent_id',
  version: 'v.version',
  createdAt: time('v.created_at'),
  changedFields: 'v.changed_fields',
  restoredFrom: 'v.restored_from',
  operator: 'v.operator',
  keyId: 'v.key_id',
  requestId: 'v.request_id',
  callerAddress: 'v.caller_address',
  snapshot: 'v.snapshot',
});

const auditEntry = line('auditEntry', {
  id: 'e.id',
  createdAt: time('e.created_at'),
  action: 'e.action',
  operator: 'e.operator',
  actingKeyId: 'e.acting_key_id',
  requestId: 'e.request_id',
  callerAddress: 'e.caller_address',
  companyId: 'e.company_id',
  integrationId: 'e.integration_id',
  keyId: 'e.key_id',
  phoneNumberId: 'e.phone_number_id',
  agentId: 'e.agent_id',
  details: 'e.details',
});

/** Rows that one statement reads, for tables with small rows. */
const batch = constant('1000');

/** Selects the next rows of a company behind an id: the line and the id of each. */
export type Listing = (companyId: string, after: string) => Statement;

export const companyLine: Listing = (companyId, after) => sql`
  SELECT c.id, ${company} FROM company c WHERE c.id = ${companyId}::uuid AND c.id > ${after}::uuid`;

export const phoneNumberLines: Listing = (companyId, after) => sql`
  SELECT p.id, ${phoneNumber} FROM company_phone_number p
   WHERE p.company_id = ${companyId}::uuid AND p.id > ${after}::uuid ORDER BY p.id LIMIT ${batch}`;

export const keyLines: Listing = (companyId, after) => sql`
  SELECT k.id, ${key} FROM api_key k
   WHERE k.company_id = ${companyId}::uuid AND k.id > ${after}::uuid ORDER BY k.id LIMIT ${batch}`;

export const webhookEndpointLines: Listing = (companyId, after) => sql`
  SELECT w.id, ${webhookEndpoint} FROM webhook_endpoint w
   WHERE w.company_id = ${companyId}::uuid AND w.id > ${after}::uuid ORDER BY w.id LIMIT ${batch}`;

/** The oldest first. */
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
export interface Place {
  readonly id: string;
  readonly version: number;
}

/** The next versions of these agents behind `after`, by agent and version; of each agent up to the given version. */
export const versionLines = (agents: readonly Place[], after: Place) => sql`
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

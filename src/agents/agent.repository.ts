import type { Caller } from '../caller.ts';
import { type Database, withinLimit } from '../database/client.ts';
import { ApiError } from '../errors.ts';
import type { Patched } from './agent.patch.ts';
import { type AgentContent, type AgentField, agentFields } from './agent.schema.ts';

/** An agent as its row holds it. */
export interface StoredAgent extends AgentContent {
  readonly id: string;
  readonly companyId: string;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What a decision is made from: an agent that is not deleted, and whether the number it may get is active. */
export interface Found {
  readonly agent: StoredAgent;
  readonly numberIsActive: boolean;
}

/** A pure function from what is stored to what shall be stored. It may be asked again when another change came first. */
export type Decide = (found: Found | undefined) => Pick<Patched, 'content' | 'changedFields'>;

export type AgentRepository = ReturnType<typeof agentRepository>;

const columnOf = (field: string) => field.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
const listed = (fields: readonly string[], text: (column: string, field: string) => string) =>
  fields.map((field) => text(columnOf(field), field)).join(', ');

const columns = ['id', 'companyId', 'version', 'createdAt', 'updatedAt', ...agentFields];
const selected = (table: string) => listed(columns, (column, field) => `${table}.${column} AS "${field}"`);

/** The content of agents comes as one JSON parameter; these are its columns. */
const contentColumns = listed(agentFields, (column) => column);
const typeOf = (field: AgentField) =>
  ({ questions: 'text[]', duration: 'int', metadata: 'jsonb', companyPhoneNumberId: 'uuid' })[String(field)] ?? 'text';
const contentRecord = agentFields.map((field) => `"${field}" ${typeOf(field)}`).join(', ');
const contentValues = listed(agentFields, (_, field) => `n."${field}"`);

/** An active phone number of a company. */
const activeNumber = (id: string, companyId: string) =>
  `EXISTS (SELECT FROM company_phone_number p WHERE p.id = ${id}::uuid AND p.company_id = ${companyId} AND p.status = 'ACTIVE')`;

const findSql = `
  SELECT ${selected('a')}, ${activeNumber('$2', 'a.company_id')} AS "numberIsActive"
    FROM agent a WHERE a.id = $1::uuid AND a.deleted_at IS NULL`;

const entry = (table: string) => `
  INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, key_id, request_id)
  SELECT id, version, updated_at, to_jsonb(${table}.*), `;

// Strictly forward: two changes within a millisecond, or a clock that was set back, must not repeat a time.
const nextTime = `greatest(date_trunc('milliseconds', clock_timestamp()), a.updated_at + interval '1 millisecond')`;

const changeSql = `
  WITH changed AS (
    UPDATE agent a SET (${contentColumns}) = (SELECT ${contentValues} FROM jsonb_to_record($4::jsonb) AS n(${contentRecord})),
           version = a.version + 1, updated_at = ${nextTime}
     WHERE a.id = $1::uuid AND a.company_id = $2::uuid AND a.version = $3::int AND a.deleted_at IS NULL
    RETURNING a.*
  ), entry AS (${entry('changed')} $5::text[], $6::uuid, $7 FROM changed)
  SELECT ${selected('c')} FROM changed c`;

const createSql = `
  WITH created AS (
    INSERT INTO agent (company_id, ${contentColumns})
    SELECT $1::uuid, ${contentValues} FROM jsonb_to_record($2::jsonb) AS n(${contentRecord})
    RETURNING *
  ), entry AS (${entry('created')} $3::text[], NULL, NULL FROM created)
  SELECT ${selected('c')} FROM created c`;

const deleteSql = `
  UPDATE agent a SET deleted_at = now() WHERE a.id = $1::uuid AND a.deleted_at IS NULL RETURNING ${selected('a')}`;

/** Every statement about agents. The company is part of every write. */
export function agentRepository(database: Database) {
  async function find(id: string, phoneNumberId: string | null): Promise<Found | undefined> {
    const [row] = await database.query<StoredAgent & { numberIsActive: boolean }>(findSql, [id, phoneNumberId]);
    if (!row) return undefined;
    const { numberIsActive, ...agent } = row;
    return { agent, numberIsActive };
  }

  async function changeUntilDone(id: string, phoneNumberId: string | null, by: Caller, decide: Decide) {
    for (;;) {
      const found = await find(id, phoneNumberId);
      const { content, changedFields } = decide(found);
      if (!found) throw new ApiError('RESOURCE_NOT_FOUND');
      if (changedFields.length === 0) return found.agent;
      const { companyId, version } = found.agent;
      const parameters = [id, companyId, version, JSON.stringify(content), changedFields, by.keyId, by.requestId];
      const [changed] = await database.query<StoredAgent>(changeSql, parameters);
      if (changed) return changed;
    }
  }

  return {
    /**
     * The one way an agent is changed: reads it, lets `decide` make the next content from it, writes that with its
     * history entry in one statement, under the version that was read. When another change came first it starts again.
     * @returns the agent as committed; as read, when the decision changes nothing
     * @throws what `decide` throws; ApiError DATABASE_UNAVAILABLE
     */
    change(wanted: { id: string; phoneNumberId: string | null }, by: Caller, decide: Decide): Promise<StoredAgent> {
      return withinLimit(changeUntilDone(wanted.id, wanted.phoneNumberId, by, decide));
    },

    /** Makes an agent, and the history entry of its first version. */
    async create(companyId: string, content: AgentContent): Promise<StoredAgent> {
      const [created] = await database.query<StoredAgent>(createSql, [companyId, JSON.stringify(content), agentFields]);
      if (!created) throw new Error('an insert returned no row');
      return created;
    },

    /** Deletes an agent for everybody, softly: its row and history stay. Undefined when it is not there (any more). */
    async delete(id: string): Promise<StoredAgent | undefined> {
      const [deleted] = await database.query<StoredAgent>(deleteSql, [id]);
      return deleted;
    },

    /** Whether a number is an active one of the company. */
    async numberIsActive(companyId: string, phoneNumberId: string): Promise<boolean> {
      const sql = `SELECT ${activeNumber('$1', '$2::uuid')} AS active`;
      const [row] = await database.query<{ active: boolean }>(sql, [phoneNumberId, companyId]);
      return row?.active === true;
    },
  };
}

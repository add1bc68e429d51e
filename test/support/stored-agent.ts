import { type AgentField, agentFields, answeredFields, fields } from '../../src/agents/fields.ts';
import type { Answer } from './http.ts';
import type { HistoryEntry } from './stored-rows.ts';
import type { World } from './world.ts';

/** A member for each column, as PostgreSQL's to_jsonb writes it. */
export type Row = Readonly<Record<string, unknown>>;

/** The row and the history of one agent. */
export interface StoredAgent {
  /** The whole row as text, to compare every byte. */
  readonly text: string;
  readonly row: Row;
  readonly history: readonly HistoryEntry[];
}

/** The same for an agent that does not exist: an empty row, no history. */
export async function storedAgent(world: Pick<World, 'row' | 'history'>, id: string): Promise<StoredAgent> {
  const [text, history] = await Promise.all([world.row(id), world.history(id)]);
  // The order of the changed fields has no meaning.
  const sorted = history.map((entry) => ({ ...entry, changedFields: entry.changedFields.toSorted() }));
  return { text, row: text ? JSON.parse(text) : {}, history: sorted };
}

/** The answer for a row (docs/contract.md#answers): exactly these members. */
export const answerOf = (row: Row) => ({
  ...{ id: row.id, companyId: row.company_id, createdAt: inUtc(row.created_at), updatedAt: inUtc(row.updated_at) },
  ...valuesIn(row, answeredFields),
});

/** The snapshot of a row in a history entry: all fields, under their API names. */
export const snapshotOf = (row: Row) => valuesIn(row, agentFields);

// The columns are those of the server's own table, which test/unit/fields.test.ts compares with the contract's.
const valuesIn = (row: Row, names: readonly AgentField[]) =>
  Object.fromEntries(names.map((name) => [name, row[fields[name].column]]));

/** The answer of the change that made the given version, from its history entry. */
export function answerOfVersion({ row, history }: StoredAgent, version: number) {
  const entry = history.find((one) => one.version === version);
  if (!entry) throw new Error(`there is no version ${version}`);
  const { companyPhoneNumberId, ...shown } = entry.snapshot;
  return { ...answerOf(row), ...shown, updatedAt: entry.createdAt.toISOString() };
}

/** The version in the ETag header of an answer. */
export const versionIn = ({ headers }: Answer) => Number(JSON.parse(headers.etag ?? '0'));

/** The same values by column name. */
export function asColumns(values: Readonly<Record<string, unknown>>): Row {
  const toColumn = (field: string) => field.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
  return Object.fromEntries(Object.entries(values).map(([field, value]) => [toColumn(field), value]));
}

const inUtc = (time: unknown) => new Date(String(time)).toISOString();

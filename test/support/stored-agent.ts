import type { Answer } from './http.ts';
import type { HistoryEntry } from './stored-rows.ts';
import type { World } from './world.ts';

/** A member for each column, as PostgreSQL's to_jsonb writes it. */
export type Row = Readonly<Record<string, unknown>>;

/** All that is stored of one agent. */
export interface StoredAgent {
  /** The whole row as text: equal only when every byte is. */
  readonly text: string;
  readonly row: Row;
  readonly history: readonly HistoryEntry[];
}

/** Of an agent that never was: an empty row, no history. */
export async function storedAgent(world: World, id: string): Promise<StoredAgent> {
  const [text, history] = await Promise.all([world.row(id), world.history(id)]);
  // The order of the changed fields means nothing.
  const sorted = history.map((entry) => ({ ...entry, changedFields: entry.changedFields.toSorted() }));
  return { text, row: text ? JSON.parse(text) : {}, history: sorted };
}

/** The answer that the contract's section 5 demands for a row: fifteen members, no other. */
export function answerOf(row: Row) {
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    focus: row.focus,
    language: row.language,
    duration: row.duration,
    createdAt: inUtc(row.created_at),
    updatedAt: inUtc(row.updated_at),
    questions: row.questions,
    instructions: row.instructions,
    voiceId: row.voice_id,
    companyId: row.company_id,
    metadata: row.metadata,
    cefrLevel: row.cefr_level,
    backgroundSound: row.background_sound,
  };
}

/** What a history entry keeps of a row: the twelve fields, in their names on the wire. */
export function snapshotOf(row: Row) {
  return {
    name: row.name,
    type: row.type,
    focus: row.focus,
    questions: row.questions,
    instructions: row.instructions,
    language: row.language,
    duration: row.duration,
    voiceId: row.voice_id,
    cefrLevel: row.cefr_level,
    companyPhoneNumberId: row.company_phone_number_id,
    metadata: row.metadata,
    backgroundSound: row.background_sound,
  };
}

/** The answer that made the given version, from its history entry. */
export function answerOfVersion({ row, history }: StoredAgent, version: number) {
  const entry = history.find((one) => one.version === version);
  if (!entry) throw new Error(`there is no version ${version}`);
  const { companyPhoneNumberId, ...shown } = entry.snapshot;
  return { ...answerOf(row), ...shown, updatedAt: entry.createdAt.toISOString() };
}

/** The version in the ETag header of an answer. */
export const versionIn = ({ headers }: Answer) => Number(JSON.parse(headers.etag ?? '0'));

/** The same values under the names of their columns. */
export function asColumns(fields: Readonly<Record<string, unknown>>): Row {
  const toColumn = (field: string) => field.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [toColumn(field), value]));
}

const inUtc = (time: unknown) => new Date(String(time)).toISOString();

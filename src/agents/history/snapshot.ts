import type { Static } from '@sinclair/typebox';
import { rowsOf } from '../../database/rows.ts';
import type { Query } from '../../database/statement.ts';
import { parseExact } from '../../http/exact-numbers.ts';
import { isRecord } from '../../http/json.ts';
import { isUuid } from '../../http/uuid.ts';
import { type AgentContent, type AgentField, agentFields, fields, record } from '../fields.ts';
import type { keptJsonSchema } from '../row.schema.ts';
import { toContent, toStoredAgent } from '../row.ts';
import type { KeptAnswer } from '../write/replay.ts';
import { memberSchema } from './row.schema.ts';
import { earlierStatement, type VersionId } from './statements.ts';

/** A document as it was stored, perhaps by another release. */
type StoredDocument = Readonly<Record<string, unknown>>;

const membersOf = rowsOf(memberSchema);

/**
 * Completes content that another release may have stored. Snapshots and kept answers are read only by this function; the row
 * of an agent has all columns.
 *
 * A release stores the fields of its time. A missing field has the value of the newest earlier version that has the field,
 * or else its initial value: during a rolling upgrade, an old server can change an agent whose new field is set already; the
 * row keeps that field, the snapshot lacks it. Members that this release does not know are left out; they stay in storage.
 * A member that the column of its field could not hold, as SQL can store it, counts as the field's initial value.
 */
export async function complete(
  query: Query,
  stored: StoredDocument,
  { agentId, version }: VersionId,
): Promise<AgentContent> {
  const missing = missingFrom(stored);
  if (missing.length === 0) return toContent(stored);
  const rows = membersOf(await query(earlierStatement({ agentId, version }, missing)));
  const earlier = new Map(rows.map(({ name, value }) => [name, parseExact(value)]));
  const found = record<Partial<AgentContent>>(missing, (name) =>
    fitsColumn(name, earlier.get(name)) ? earlier.get(name) : fields[name].initial,
  );
  return toContent({ ...stored, ...found });
}

/** The same for a kept answer. */
export async function completeKept(
  query: Query,
  { agent, updatedAt, fingerprint, ...kept }: Static<typeof keptJsonSchema>,
): Promise<KeptAnswer> {
  const changedFields = kept.changedFields.filter((name) => typeof name === 'string');
  if (!agent) return { fingerprint, changedFields, agent: null };
  // The history holds the version that the answer shows; if the answer changed nothing, perhaps written by another release.
  const content = await complete(query, agent, { agentId: agent.id, version: agent.version });
  return { fingerprint, changedFields, agent: toStoredAgent({ ...agent, ...content, updatedAt }) };
}

/** Whether stored content has all fields, and no other version is needed to read it. */
export const isComplete = (stored: StoredDocument): boolean => missingFrom(stored).length === 0;

const missingFrom = (stored: StoredDocument) => agentFields.filter((name) => !fitsColumn(name, stored[name]));

const fitsColumn = (name: AgentField, value: unknown): boolean => {
  const { sqlType, isNullable, initial } = fields[name];
  return value === null ? isNullable : fits[sqlType](value, initial);
};

/** Whether a value fits a column of the type. A number that JavaScript cannot hold is a string that begins with U+0000. */
const fits = {
  text: (value: unknown) => typeof value === 'string' && !value.startsWith('\u0000'),
  uuid: isUuid,
  integer: (value: unknown) => typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31,
  jsonb: (value: unknown, initial: unknown) => isRecord(value) && Array.isArray(value) === Array.isArray(initial),
};

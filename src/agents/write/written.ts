import type { Static } from '@sinclair/typebox';
import { rowsOf } from '../../database/rows.ts';
import { ApiError } from '../../http/problems.ts';
import { writtenRowSchema } from '../row.schema.ts';

type WrittenRow = Static<typeof writtenRowSchema>;

const checked = rowsOf(writtenRowSchema);

/**
 * The rows of a change.
 * @throws ApiError INTERNAL_ERROR if they have another shape: agents may have been written, so the change must not be retried
 */
export function writtenRows(rows: readonly unknown[]): WrittenRow[] {
  try {
    return checked(rows);
  } catch (error) {
    throw new ApiError('INTERNAL_ERROR', { cause: error });
  }
}

/**
 * The time of the write by agent id; undefined if nothing was written because a key was looked up more than a second before
 * the statement reached the database.
 * @throws ApiError INTERNAL_ERROR if a time cannot be parsed: the agent was written, so the change must not be retried
 */
export function writtenTimes(rows: readonly WrittenRow[]): Map<string, Date> | undefined {
  const times = new Map<string, Date>();
  for (const { id, updatedAt } of rows) {
    if (id === null) return undefined;
    const time = new Date(updatedAt ?? Number.NaN);
    if (Number.isNaN(time.getTime())) {
      throw new ApiError('INTERNAL_ERROR', { cause: new Error(`the database answered ${updatedAt} for a time`) });
    }
    times.set(id, time);
  }
  return times;
}

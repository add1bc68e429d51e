import type { Static } from '@sinclair/typebox';
import { rowsOf } from '../../database/rows.ts';
import { ApiError } from '../../http/problems.ts';
import { answerableTime } from '../../http/stored-time.ts';
import { writtenRowSchema } from '../row.schema.ts';
import type { Change, FoldOfAgent } from './batch.ts';

/** The outcome of deciding and writing changes. */
export interface Written {
  /** Those that were tried. */
  readonly folds: readonly FoldOfAgent[];
  /** The error of each caller that may no longer write. */
  readonly refused: ReadonlyMap<Change['by'], unknown>;
  /** The time of the write by agent id, for the agents that were written. */
  readonly writtenAt: ReadonlyMap<string, Date>;
}

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
    const time = new Date(answerableTime(updatedAt ?? ''));
    if (Number.isNaN(time.getTime())) {
      throw new ApiError('INTERNAL_ERROR', { cause: new Error(`the database answered ${updatedAt} for a time`) });
    }
    times.set(id, time);
  }
  return times;
}

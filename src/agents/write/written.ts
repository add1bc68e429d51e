import { ApiError } from '../../http/problems.ts';

/**
 * What `changeSql` returns: an agent that was written, its time in ISO 8601, or nulls where nothing was: the lookup was too
 * long ago, or webhooks have to be told (`heard`).
 */
export type WrittenRow = { readonly heard?: boolean } & (
  | { readonly id: string; readonly updatedAt: string }
  | { readonly id: null }
);

/**
 * When each agent was written.
 * @throws Error when nothing was written, because the keys were looked up too long ago; ApiError INTERNAL_ERROR for a time
 * that cannot be read: the agent was written all the same, so its change must not be run again
 */
export function writtenTimes(rows: readonly WrittenRow[]): Map<string, Date> {
  const times = new Map<string, Date>();
  for (const row of rows) {
    if (row.id === null) throw new Error('the keys were looked up too long ago');
    const time = new Date(row.updatedAt);
    if (Number.isNaN(time.getTime())) {
      throw new ApiError('INTERNAL_ERROR', { cause: new Error(`the database answered ${row.updatedAt} for a time`) });
    }
    times.set(row.id, time);
  }
  return times;
}

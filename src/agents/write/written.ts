import { ApiError } from '../../http/problems.ts';

/**
 * A row of `changeSql`: an agent that was written, with its time in ISO 8601. `id` is null if nothing was written: a company
 * has webhook endpoints (`hasEndpoint`), or the lookup of the keys is too old.
 */
export type WrittenRow = { readonly hasEndpoint?: boolean } & (
  | { readonly id: string; readonly updatedAt: string }
  | { readonly id: null }
);

/**
 * The time of the write by agent id.
 * @throws Error if nothing was written because the lookup of the keys is too old; ApiError INTERNAL_ERROR if a time cannot
 * be parsed: the agent was written, so the change must not be retried
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

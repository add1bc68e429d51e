import type { Static } from '@sinclair/typebox';
import type { Database } from '../database/client.ts';
import { onlyRow, rowsOf } from '../database/rows.ts';
import { claimStatement, type FreeSlots } from './claim.statements.ts';
import {
  type claimedSchema,
  claimRowSchema,
  finishedRowSchema,
  type healthChangeSchema,
  measuresSchema,
  nextRowSchema,
} from './delivery.schema.ts';
import {
  type DeliveryOutcome,
  deleteFinishedStatement,
  deleteWaitingStatement,
  finishStatement,
  measuresStatement,
} from './finish.statements.ts';
import { type FinishedDelivery, nextStatement } from './next.statements.ts';

export type Claimed = Static<typeof claimedSchema>;
export type HealthChange = Static<typeof healthChangeSchema>;
export type Measures = Static<typeof measuresSchema>;

export type DeliveryRepository = ReturnType<typeof deliveryRepository>;

const claimRowsOf = rowsOf(claimRowSchema);
const nextRowsOf = rowsOf(nextRowSchema);
const finishedRowsOf = rowsOf(finishedRowSchema);
const measuresOf = rowsOf(measuresSchema);

/** Deliveries that one statement deletes at most. */
const deletedAtOnce = 500;

/** The queue of deliveries, which all processes on the database share. Its methods throw ApiError DATABASE_UNAVAILABLE. */
export function deliveryRepository({ query }: Pick<Database, 'query'>) {
  return {
    /**
     * Claims deliveries that are due, for 20 s.
     * @param isRepeated whether the claim before said `hasMore`
     * @returns them, and whether a second claim may find more: it does not read again what this one has postponed
     */
    async claim(free: FreeSlots, isRepeated = false): Promise<{ claimed: Claimed[]; hasMore: boolean }> {
      const rows = claimRowsOf(await query(claimStatement(free, isRepeated)));
      return {
        claimed: rows.flatMap(({ claimed }) => claimed ?? []),
        hasMore: rows.some(({ postponed }) => postponed > 0),
      };
    },

    /**
     * Writes the outcomes of claims. Those of deliveries and endpoints that another transaction has locked are not written.
     * @returns the ids of those written, and of those locked (a claim whose lease was lost is neither), and the endpoints
     *   whose health changed
     */
    async finish(outcomes: readonly DeliveryOutcome[]) {
      const rows = finishedRowsOf(await query(finishStatement(outcomes)));
      const ids = (ofWritten: boolean) =>
        new Set(rows.flatMap(({ id, isWritten }) => (id !== null && isWritten === ofWritten ? id : [])));
      return { written: ids(true), locked: ids(false), changes: rows.flatMap(({ endpoint }) => endpoint ?? []) };
    },

    /**
     * Claims the next delivery of the same endpoint and agent, or makes it due.
     * @returns claims by the id of the finished delivery; null if another transaction has locked the next one
     */
    async next(finished: readonly FinishedDelivery[]): Promise<ReadonlyMap<string, Claimed | null>> {
      const rows = nextRowsOf(await query(nextStatement(finished)));
      return new Map(rows.map(({ before, claimed }) => [before, claimed]));
    },

    measures: async (): Promise<Measures> => onlyRow(measuresOf(await query(measuresStatement))),

    /** Deletes some deliveries that are older than 30 days. @returns whether there may be more */
    async deleteOld(): Promise<boolean> {
      const finished = await query(deleteFinishedStatement(deletedAtOnce));
      const waiting = await query(deleteWaitingStatement(deletedAtOnce));
      return Math.max(finished.length, waiting.length) >= deletedAtOnce;
    },
  };
}

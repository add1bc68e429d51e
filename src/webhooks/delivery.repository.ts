import type { Static } from '@sinclair/typebox';
import type { Database } from '../database/client.ts';
import { rowsOf } from '../database/rows.ts';
import { run } from '../database/statement.ts';
import { claimStatement, nextStatement, type Room } from './claim.statements.ts';
import {
  type claimedSchema,
  claimRowSchema,
  finishedRowSchema,
  measuresSchema,
  nextRowSchema,
} from './delivery.schema.ts';
import {
  type Ended,
  finishStatement,
  forgetFinishedStatement,
  forgetWaitingStatement,
  measuresStatement,
} from './finish.statements.ts';

export type Claimed = Static<typeof claimedSchema>;
export type Measures = Static<typeof measuresSchema>;
export type DeliveryRepository = ReturnType<typeof deliveryRepository>;

const claimRowsOf = rowsOf(claimRowSchema);
const nextRowsOf = rowsOf(nextRowSchema);
const finishedRowsOf = rowsOf(finishedRowSchema);
const measuresOf = rowsOf(measuresSchema);

/** Deliveries that one statement deletes at most. */
const forgotten = 500;

/** What waits to be sent, shared by all processes. Its methods throw ApiError DATABASE_UNAVAILABLE. */
export function deliveryRepository({ query }: Pick<Database, 'query'>) {
  return {
    /** Claims what is due, for as long as a lease holds. @returns also whether there may be more at once */
    async claim(room: Room): Promise<{ claimed: Claimed[]; hasMore: boolean }> {
      const rows = claimRowsOf(await run(query, claimStatement(room)));
      return {
        claimed: rows.flatMap(({ claimed }) => claimed ?? []),
        hasMore: rows.some(({ putOff }) => putOff > 0),
      };
    },

    /** Writes how claims ended. @returns the ids of those whose lease still held */
    async finish(ended: readonly Ended[]): Promise<ReadonlySet<string>> {
      return new Set(finishedRowsOf(await run(query, finishStatement(ended))).map(({ id }) => id));
    },

    /** Claims what follows finished deliveries in their lines. @returns by the finished one */
    async next(finished: readonly string[], hasRoom: boolean): Promise<ReadonlyMap<string, Claimed>> {
      const rows = nextRowsOf(await run(query, nextStatement(finished, hasRoom)));
      return new Map(rows.map(({ before, claimed }) => [before, claimed]));
    },

    async measures(): Promise<Measures | undefined> {
      return measuresOf(await run(query, measuresStatement))[0];
    },

    /** Deletes some of what is kept no longer. @returns whether there may be more */
    async forget(): Promise<boolean> {
      const finished = await run(query, forgetFinishedStatement(forgotten));
      const waiting = await run(query, forgetWaitingStatement(forgotten));
      return Math.max(finished.length, waiting.length) >= forgotten;
    },
  };
}

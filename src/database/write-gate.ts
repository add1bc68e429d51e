import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import { databaseUnavailable } from '../http/problems.ts';
import { NotBegunError } from './failures.ts';

/** Milliseconds between two checks whether earlier statements still run. */
const interval = 200;

interface Options {
  /** Writes that may run at the same time. */
  readonly most: number;
  /** Milliseconds that a write may wait for its turn. */
  readonly wait: number;
  /** Asks PostgreSQL whether statements of servers still run after their time limit. */
  readonly hasOverdueStatements: () => Promise<boolean>;
  /** Called when none does any more, and at each such statement after the checks were ended. */
  readonly onEnd: () => void;
}

/**
 * Refuses writes while an earlier statement that got no answer still runs in PostgreSQL. A commit that waits for a synchronous
 * standby, or for a disk, is ended neither by `statement_timeout` nor by closing its connection: each further write would leave
 * one more session behind, with its row locks. A process that has ended may have left such a statement too, so the first write
 * also asks PostgreSQL and waits for its answer.
 */
export function writeGate({ most, wait, hasOverdueStatements, onEnd }: Options) {
  const inTurn = pLimit(most);
  const stopping = new AbortController();
  const { signal } = stopping;
  /** The first check after `suspect`, for which writes wait; undefined once no statement still runs. */
  let firstCheck: Promise<boolean> | undefined;
  let hasAsked = false;
  let isShut = false;

  /** @returns whether no statement still runs; false if PostgreSQL does not answer: its last answer then stays valid */
  async function check(): Promise<boolean> {
    try {
      isShut = await hasOverdueStatements();
      return !isShut;
    } catch {
      return false;
    }
  }

  async function watch(first: Promise<boolean>): Promise<void> {
    let isOver = await first;
    while (!isOver && !signal.aborted) {
      await delay(interval, undefined, { signal, ref: false }).catch(() => {});
      isOver = await check();
    }
    firstCheck = undefined;
    onEnd();
  }

  function suspect(): void {
    hasAsked = true;
    if (signal.aborted) onEnd();
    if (firstCheck || signal.aborted) return;
    firstCheck = check();
    void watch(firstCheck);
  }

  return {
    /** Call it when a statement got no answer. */
    suspect,

    /**
     * Runs a write in its turn. Must not be called by a running write: that could wait for itself.
     * @throws what `work` throws; ApiError DATABASE_UNAVAILABLE if it was not run
     */
    run<Result>(work: () => Promise<Result>): Promise<Result> {
      const since = performance.now();
      return inTurn(async () => {
        if (performance.now() - since > wait)
          throw databaseUnavailable(new NotBegunError('too many writes are waiting'));
        if (!hasAsked) suspect();
        await firstCheck;
        if (isShut) throw databaseUnavailable(new NotBegunError('an earlier write still waits for its commit'));
        return await work();
      });
    },

    /** Ends the checks. */
    stop: (): void => stopping.abort(),
  };
}

/** The answers of `mayWrite`. */
const answers = new Map<string, boolean>();

/** Whether a raw statement may write: it has the word INSERT, UPDATE (also `FOR UPDATE`) or DELETE. */
export function mayWrite(sql: string): boolean {
  const known = answers.get(sql);
  if (known !== undefined) return known;
  const may = /\b(INSERT|UPDATE|DELETE)\b/.test(sql);
  answers.set(sql, may);
  return may;
}

import type pg from 'pg';
import { afterReading, inTime } from '../http/in-time.ts';
import { noAnswer } from './failures.ts';

/**
 * Limits how long each statement of a client waits for its answer. An answer that has arrived in time counts, even if the event
 * loop was too busy to read it: `query_timeout` of `pg` would refuse it.
 * @param milliseconds the limit of each statement, which then fails with `noAnswer`; 0 for none
 */
export function limitAnswers(client: pg.ClientBase, milliseconds: number): void {
  if (milliseconds === 0) return;
  client.query = new Proxy(client.query, {
    apply(query, self, [text, values, callback]) {
      let queued: unknown;
      const send = (...answered: unknown[]) => {
        const sent = Reflect.apply(query, self, [text, values, ...answered]);
        queued = queueOf(client).at(-1);
        return sent;
      };
      const onLate = () => {
        withdraw(client, queued);
        return new Error(noAnswer);
      };
      if (!callback) return inTime(send(), milliseconds, onLate);
      // Called at once, not through a promise: the error of a connection that breaks just after an answer must not come first.
      let isLate = false;
      const cancel = afterReading(() => {
        isLate = true;
        callback(onLate());
      }, milliseconds);
      return send((error: unknown, result: unknown) => {
        if (isLate) return;
        cancel();
        callback(error, result);
      });
    },
  });
}

/**
 * The statements that `pg` has not sent yet, because one before them has no answer. The last is the latest; there is none where
 * that was sent at once.
 */
const queueOf = (client: pg.ClientBase): unknown[] =>
  '_queryQueue' in client && Array.isArray(client._queryQueue) ? client._queryQueue : [];

/** Takes a statement out of the queue: a statement whose caller has been told that it failed must not be sent. */
function withdraw(client: pg.ClientBase, statement: unknown): void {
  const queue = queueOf(client);
  const place = queue.indexOf(statement);
  if (place >= 0) queue.splice(place, 1);
}

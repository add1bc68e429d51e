import pg from 'pg';
import { withClient } from './session.ts';

/** It stays on sessions that a pooler lends out, so this name must always stand for this text. */
const probe = { name: 's_probe', text: 'SELECT pg_backend_pid()' };

/** Executions on each of two connections. */
const rounds = 10;

/** SQLSTATEs: the session has a statement of this name already, or has none. */
const foreignNames = ['42P05', '26000'];

/**
 * Whether statements keep their names on a connection. Behind a transaction pooler that does not know named statements,
 * one connection finds names that another has given, or does not find its own again. Where the pooler is idle this is
 * sure to be noticed, because it lends out the session that was used last.
 * @throws StartError when the database cannot be reached
 */
export function keepsStatementNames(url: string): Promise<boolean> {
  return withClient(url, (first) =>
    withClient(url, async (second) => {
      try {
        await first.query(probe);
        await second.query(probe);
        for (let round = 1; round < rounds; round += 1) await Promise.all([first.query(probe), second.query(probe)]);
        return true;
      } catch (error) {
        if (error instanceof pg.DatabaseError && foreignNames.includes(error.code ?? '')) return false;
        throw error;
      }
    }),
  );
}

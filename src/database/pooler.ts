import pg from 'pg';
import { withClient } from './session.ts';

/** The prepared statement stays in sessions of the pooler: this name must always stand for this text. */
const probe = { name: 's_probe', text: 'SELECT pg_backend_pid()' };

/** Executions on each of the two connections. */
const rounds = 10;

/** SQLSTATEs: the session already has a prepared statement of this name, or has none. */
const foreignNames = ['42P05', '26000'];

/**
 * Whether prepared statements work on the connections to a database. Behind a transaction pooler without support for them,
 * a connection finds statements of another one, or does not find its own. The test is certain while the pooler is idle,
 * because it then uses the session that was used last.
 * @throws StartError if the database cannot be reached
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

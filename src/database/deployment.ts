import type { Query } from './client.ts';
import { rowsOf } from './rows.ts';
import { deploymentSchema } from './schema.ts';

const deploymentsOf = rowsOf(deploymentSchema);

/**
 * A text that is the same for all servers over one database, and another over any other: the number that `initdb` gave the
 * PostgreSQL cluster, and the one of the database in it. Not a secret.
 */
export async function deploymentOf(query: Query): Promise<string> {
  const sql = `SELECT c.system_identifier || '-' || d.oid AS id
               FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()`;
  const [deployment] = deploymentsOf(await query(sql, []));
  if (!deployment) throw new Error('the database does not know itself');
  return deployment.id;
}

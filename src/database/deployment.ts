import type { Query } from './query.ts';
import { deploymentSchema } from './row.schema.ts';
import { rowsOf } from './rows.ts';

const deploymentsOf = rowsOf(deploymentSchema);

/**
 * Identifies a database, the same for all servers that use it: the system identifier of the PostgreSQL cluster and the OID
 * of the database. Not a secret.
 */
export async function deploymentOf(query: Query): Promise<string> {
  const sql = `SELECT c.system_identifier || '-' || d.oid AS id
               FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()`;
  const [deployment] = deploymentsOf(await query(sql, []));
  if (!deployment) throw new Error('the database does not know itself');
  return deployment.id;
}

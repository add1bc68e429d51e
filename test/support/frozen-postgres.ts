import { connect } from './connection.ts';

/**
 * Stops all processes of PostgreSQL (SIGSTOP), which then neither answers nor ends a connection.
 * @param postmaster its process id
 * @param url of any of its databases
 * @returns resumes them
 */
export async function freezePostgres(postmaster: number, url: string): Promise<() => void> {
  const client = await connect(url);
  // The postmaster is stopped before the others are listed: no new one starts, and the id of one that ends is not free before the
  // postmaster has seen it.
  process.kill(postmaster, 'SIGSTOP');
  const { rows } = await client.query<{ pid: number }>('SELECT pid FROM pg_stat_activity');
  for (const { pid } of rows) process.kill(pid, 'SIGSTOP');
  return () => {
    for (const { pid } of rows) process.kill(pid, 'SIGCONT');
    process.kill(postmaster, 'SIGCONT');
    client.end().catch(() => {});
  };
}

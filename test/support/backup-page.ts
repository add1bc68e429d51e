import { run } from './connection.ts';
import { openCluster, postgresCommands } from './debian-postgres.ts';
import { startProcess } from './process.ts';

/** A PostgreSQL with the two roles of docs/operate.md, and the URLs of its databases. */
export async function openPlace() {
  const url = await openCluster();
  const admin = url('postgres', 'postgres');
  await run(admin, 'CREATE ROLE agents_owner LOGIN; CREATE ROLE agents_server LOGIN');
  const urls = (name: string) => ({ owner: url('agents_owner', name), server: url('agents_server', name) });
  return { admin, ...urls('interview_agents'), restored: urls('interview_agents_restored') };
}

/** Runs a command block of the page; fails unless it succeeds. */
export async function shell(block: string, env: Record<string, string>): Promise<string> {
  const PATH = `${postgresCommands()}:${process.env['PATH']}`;
  const running = startProcess(['sh', '-euc', block], { env: { ...env, PATH } });
  const { code } = await running.exit;
  if (code !== 0) throw new Error(`${block}${running.stderr}`);
  return running.stdout;
}

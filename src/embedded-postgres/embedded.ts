import { setTimeout as delay } from 'node:timers/promises';
import { StartError } from '../start-error.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { errorCode, openHome } from './home.ts';
import { ensureRunning, isAlive, Overtaken, start, startedBy, stop } from './postmaster.ts';
import { bePresent, isCutOff, type Part, type Presence, WrongPassword } from './presence.ts';
import { chooseUser } from './user.ts';

export { eraseEmbedded } from './home.ts';

/** PostgreSQL for a machine that has none. */
export interface EmbeddedDatabase {
  /** The application's database, `postgresql://…` with its password. */
  readonly url: string;
  /** Sentences for the person at the keyboard: what was found, what lives where. */
  readonly notes: readonly string[];
  /** Stops PostgreSQL unless another process still uses it. Connections to `url` are to be closed before. */
  close(): Promise<void>;
}

const database = 'interview_agents';

/** Milliseconds during which PostgreSQL may be stopped under one who arrives, again and again. */
const patience = 30_000;

/**
 * Opens the PostgreSQL that belongs to a directory: makes its cluster at the first time, starts it unless it runs, and
 * makes the application's database. One server and any number of operators may have it open at the same time.
 * @param dataDir absolute, or relative to the working directory; made when missing
 * @throws StartError when another server has it open, or the machine, the user or the directory cannot serve
 */
export async function openEmbedded(dataDir: string, as: Part): Promise<EmbeddedDatabase> {
  const home = await openHome(dataDir, await chooseUser());
  const cluster = await openCluster(home);
  const { presence, port, adopted } = await enter(cluster, as);
  const found = `adopted the PostgreSQL that was left running in ${cluster.directory}`;
  return {
    url: `postgresql://postgres:${home.password}@127.0.0.1:${port}/${database}`,
    notes: adopted ? [...home.notes, found] : home.notes,
    close: () => presence.end(() => stop(cluster)),
  };
}

interface Entered {
  readonly presence: Presence;
  readonly port: number;
  /** It ran, and nobody used it: its last user was killed. */
  readonly adopted: boolean;
}

/** Somebody who leaves may stop PostgreSQL at any moment before this process is present; then all begins anew. */
async function enter(cluster: Cluster, as: Part): Promise<Entered> {
  const deadline = Date.now() + patience;
  for (;;) {
    try {
      return await tryToEnter(cluster, as);
    } catch (error) {
      if (!(isCutOff(error) || error instanceof Overtaken)) throw error;
      if (Date.now() > deadline) {
        throw new StartError(
          `PostgreSQL in ${cluster.directory} does not answer (${error.message}): ` +
            'if none runs there, delete its postmaster.pid',
        );
      }
      await delay(50);
    }
  }
}

async function tryToEnter(cluster: Cluster, as: Part): Promise<Entered> {
  const { port, found } = await ensureRunning(cluster);
  const presence = await bePresent(cluster, port, as).catch(async (error: unknown) => {
    // Nobody listens where `postmaster.pid` points: it was left by a crash, and its process id was given to another.
    if (found && errorCode(error) === 'ECONNREFUSED') await start(cluster);
    // Started for nobody.
    if (!found && error instanceof WrongPassword) await stop(cluster);
    throw error;
  });
  try {
    const adopted = found && (await isOrphaned(presence));
    await createDatabase(presence);
    return { presence, port, adopted };
  } catch (error) {
    await presence.end(async () => {});
    throw error;
  }
}

/** Nobody is here, and whoever started it is not on the way. */
async function isOrphaned(presence: Presence): Promise<boolean> {
  if (await presence.hasCompany()) return false;
  const { rows } = await presence.query('SELECT current_setting($1) AS pid', [startedBy]);
  return !isAlive(Number(rows[0].pid));
}

async function createDatabase(presence: Presence): Promise<void> {
  const { rowCount } = await presence.query('SELECT FROM pg_database WHERE datname = $1', [database]);
  if (rowCount !== 0) return;
  try {
    await presence.query(`CREATE DATABASE ${database}`);
  } catch (error) {
    const madeMeanwhile = ['42P04', '23505'].includes(errorCode(error) ?? '');
    if (!madeMeanwhile) throw error;
  }
}

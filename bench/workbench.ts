import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeSecret } from '../src/auth/api-key.ts';
import { type EmbeddedDatabase, openEmbedded } from '../src/embedded-postgres/embedded.ts';
import { eraseEmbedded } from '../test/support/erase-embedded.ts';
import { type Databases, databasesAt, withClient } from './databases.ts';
import { findLoadGenerator, type LoadGenerator } from './load/load.ts';
import { versionOf } from './machine.ts';
import type { Dataset, TargetKind } from './plan.ts';
import { writeBodies } from './requests.ts';

/** What all rounds use. */
export interface Workbench {
  readonly databases: Databases;
  readonly generator: LoadGenerator;
  /** The HMAC secret of API keys. */
  readonly secret: string;
  /** The folder for the files of this run. */
  readonly folder: string;
  /** The file of lines "path key" from which a load chooses. */
  targetsOf(dataset: Dataset, kind: TargetKind): string;
  close(): Promise<void>;
}

// Within the checkout, because a folder for temporary files may be in memory, where commits cost nothing.
const home = fileURLToPath(new URL('.run', import.meta.url));
const dataDir = join(home, 'data');

/**
 * Starts PostgreSQL, and creates what all rounds use.
 * @throws StartError if another run is active
 */
export async function openWorkbench(): Promise<Workbench> {
  // Left behind by a killed run, perhaps with its PostgreSQL.
  if (await exists(dataDir)) {
    const left = await openEmbedded(dataDir, 'server');
    await erase(left);
  }
  const postgres = await openEmbedded(dataDir, 'server');
  const folder = join(home, 'files');
  await mkdir(folder, { recursive: true });
  for (const size of ['small', 'large'] as const) await writeBodies(join(folder, `${size}.bodies`), size);
  const secret = makeSecret();
  return {
    databases: databasesAt(postgres.url, await postmasterOf(postgres.url), secret),
    generator: findLoadGenerator(versionOf('autocannon')),
    secret,
    folder,
    targetsOf: ({ name }, kind) => join(folder, `${name}.${kind}`),
    async close() {
      await erase(postgres);
    },
  };
}

/** The process id of the postmaster: the first line of postmaster.pid. */
async function postmasterOf(url: string): Promise<number> {
  const { rows } = await withClient(url, (client) =>
    client.query<{ pid: number }>("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid"),
  );
  const [row] = rows;
  if (!row) throw new Error('PostgreSQL does not tell its process id');
  return row.pid;
}

async function erase(postgres: EmbeddedDatabase): Promise<void> {
  await postgres.close();
  eraseEmbedded(dataDir);
  await rm(home, { recursive: true, force: true });
}

const exists = async (path: string) => (await stat(path).catch(() => undefined)) !== undefined;

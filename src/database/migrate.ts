import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Static } from '@sinclair/typebox';
import pg from 'pg';
import { StartError } from '../errors.ts';
import { migrationSchema } from './row.schema.ts';
import { rowsOf } from './rows.ts';
import { applyMigrations } from './schema-engine.ts';
import { writeRoleSettings } from './server-role.ts';
import { withClient, withMigrationLock } from './session.ts';
import { givenSettings, lackingSettings, refuseOldVersion } from './settings.ts';

/** The relative path is the same from `src/database` and from `dist/database`. */
const ourMigrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/** The names of all migrations of this release, in order: each is a folder whose name begins with its time. */
export async function migrationNames(folder = ourMigrations): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/**
 * The names of the migrations that a database lacks, in order. Changes nothing, and needs only SELECT on
 * `_prisma_migrations`. Migrations of a later release are ignored.
 * @throws StartError if a migration of this release was begun and is not finished, or the database is that of another program,
 * is too old or cannot be reached
 */
export function pendingMigrations(url: string, folder = ourMigrations): Promise<string[]> {
  return withClient(url, async (client) => {
    await refuseOldVersion(client);
    const { missing, unfinished } = await readHistory(client, folder);
    if (!unfinished) return missing;
    const what = `the migration ${unfinished.name} failed, or is being applied right now`;
    // No SQL in this message: run while the migration is applied, it would record that the migration was rolled back.
    throw new StartError(
      `${what}: run npm run migrate, which waits until it has ended, and says what to do if it failed`,
    );
  });
}

/** @throws StartError naming the migrations that a database lacks; what `pendingMigrations` throws */
export async function requireMigrations(url: string): Promise<void> {
  const pending = await pendingMigrations(url);
  if (pending.length > 0) {
    throw new StartError(
      `DATABASE_URL lacks migrations (${pending.join(', ')}): run npm run migrate as the owner of the tables`,
    );
  }
}

/** Whether a database has a migration, finished or not, that this release does not know. */
export async function isLater(url: string): Promise<boolean> {
  const { later } = await withClient(url, (client) => readHistory(client, ourMigrations));
  return later.length > 0;
}

interface History {
  /** All migrations of this release, in order. */
  readonly names: string[];
  /** Those that the database lacks, in order. */
  readonly missing: string[];
  /** The migrations of the database, in the order in which they were applied. */
  readonly recorded: RecordedMigration[];
  /** Those of the database that this release does not know, finished or not. */
  readonly later: RecordedMigration[];
  /** The first migration of this release that was begun and has not finished. */
  readonly unfinished: RecordedMigration | undefined;
}

/** @throws StartError if the database is that of another program that uses Prisma Migrate */
async function readHistory(client: pg.ClientBase, folder: string): Promise<History> {
  const names = await migrationNames(folder);
  const recorded = await recordedMigrations(client);
  const unfinished = recorded.find(({ name, finished }) => !finished && names.includes(name));
  const later = recorded.filter(({ name }) => !names.includes(name));
  const [first] = recorded;
  // No release removes a migration, so a database that a later one has migrated has those of this release too.
  if (first && later.length === recorded.length) {
    throw new StartError(
      `the database that DATABASE_URL names is that of another program (its first migration is ${first.name}): ` +
        'name one for this program alone',
    );
  }
  const begun = new Set(recorded.map(({ name }) => name));
  return { names, missing: names.filter((name) => !begun.has(name)), recorded, later, unfinished };
}

/** The message with the SQL to continue: Prisma's own command (`migrate resolve`) needs an engine that is not installed. */
function howToGoOn(name: string, whatHappened: string): string {
  const update = `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = ${pg.escapeLiteral(name)}`;
  // Where it has finished since, with another program, its record stays.
  const row = `${update} AND finished_at IS NULL AND rolled_back_at IS NULL`;
  return `the migration ${name} ${whatHappened}: once its cause is gone, run ${row}; then migrate again`;
}

type RecordedMigration = Static<typeof migrationSchema>;

const migrationsIn = rowsOf(migrationSchema);

async function recordedMigrations(client: pg.ClientBase): Promise<RecordedMigration[]> {
  const table = await client.query("SELECT FROM pg_class WHERE oid = to_regclass('public._prisma_migrations')");
  if (table.rowCount === 0) return [];
  const { rows } = await client.query(
    `SELECT migration_name AS name, finished_at IS NOT NULL AS finished, checksum
       FROM public._prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at, migration_name`,
  );
  return migrationsIn(rows);
}

type Note = (sentence: string) => void;

/**
 * Applies the migrations that a database lacks, then gives the role of the URL its settings. Concurrent processes wait for
 * each other.
 * @param note called with a sentence for the operator: it waits for another process, or a later release has migrated before
 * @param statementLimit milliseconds until each statement is answered, except those of a migration, which may take as long as it
 * needs; 0 for no limit
 * @returns the names of the applied migrations, in order
 * @throws StartError if the database lacks `givenSettings`, is that of another program, too old or cannot be reached; a migration
 * fails, failed earlier, or was edited after it was applied; or a migration of a later release is unfinished
 */
export function migrate(
  url: string,
  folder = ourMigrations,
  note: Note = () => {},
  statementLimit = 0,
): Promise<string[]> {
  const onWait = () => note('another program is migrating this database: waiting until it ends');
  return withMigrationLock(url, (client) => migrateLocked(client, url, folder, note), onWait, statementLimit);
}

async function migrateLocked(client: pg.ClientBase, url: string, folder: string, note: Note): Promise<string[]> {
  await requireGivenSettings(client);
  const { names, missing, recorded, later, unfinished } = await readHistory(client, folder);
  if (unfinished) throw new StartError(howToGoOn(unfinished.name, 'failed before'));
  await refuseEdited(recorded, names, folder);
  const broken = later.find(({ finished }) => !finished);
  if (broken && missing.length > 0) {
    throw new StartError(
      `the migration ${broken.name} of a later release was begun and has not ended: migrate with that release`,
    );
  }
  if (later.length > 0) {
    const theirs = later.map(({ name }) => name).join(', ');
    note(`a later release has migrated this database: its migrations (${theirs}) stay as they are`);
  }
  const refuse = async (error: unknown) => {
    throw new StartError(await explain(client, missing, error), { cause: error });
  };
  const applied = missing.length > 0 ? await applyMigrations(url, folder, names).catch(refuse) : [];
  await writeRoleSettings(client);
  return applied;
}

/** @throws StartError naming the settings of the database that are wrong and that no migration can change */
export async function requireGivenSettings(client: pg.ClientBase): Promise<void> {
  const wrong = await lackingSettings(client, givenSettings);
  if (wrong.length > 0) throw new StartError(`DATABASE_URL: ${wrong.join('; ')}: use another database or role`);
}

/** @throws StartError naming the migration whose script is not the one that was applied */
async function refuseEdited(recorded: RecordedMigration[], names: string[], folder: string): Promise<void> {
  for (const { name, checksum } of recorded.filter((migration) => names.includes(migration.name))) {
    const script = await readFile(join(folder, name, 'migration.sql'), 'utf8');
    if (!checksumsOf(script).includes(checksum)) {
      throw new StartError(
        `the migration ${name} was edited after this database was migrated with it: restore its script (nothing was applied)`,
      );
    }
  }
}

/** The checksums of a script with LF and with CRLF, which Git may use on Windows. Prisma Migrate compares them too. */
function checksumsOf(script: string): string[] {
  const unix = script.replaceAll('\r\n', '\n');
  const texts = [script, unix, unix.replaceAll('\n', '\r\n')];
  return texts.map((text) => createHash('sha256').update(text).digest('hex'));
}

/** One sentence: which migration failed and why, which were applied before it, and how to continue. */
async function explain(client: pg.ClientBase, missing: string[], error: unknown): Promise<string> {
  const reason = error instanceof Error ? error.message : String(error);
  const begun = (await recordedMigrations(client)).filter(({ name }) => missing.includes(name));
  const broken = begun.find(({ finished }) => !finished);
  if (!broken) return `the database cannot be migrated: ${reason}`;
  const applied = begun.filter(({ finished }) => finished).map(({ name }) => name);
  const before = applied.length > 0 ? ` after ${applied.join(', ')} had been applied` : '';
  return howToGoOn(broken.name, `failed with ${reason}${before}`);
}

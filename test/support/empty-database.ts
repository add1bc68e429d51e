import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { inject, onTestFinished } from 'vitest';
import { run } from './connection.ts';
import { withDatabase } from './global-setup.ts';

/** The URL of an empty database, which is dropped with the test. */
export async function emptyDatabase(): Promise<string> {
  const name = `empty_${randomUUID().replaceAll('-', '')}`;
  await run(inject('serverUrl'), `CREATE DATABASE ${name}`);
  onTestFinished(async () => {
    await run(inject('serverUrl'), `DROP DATABASE ${name} WITH (FORCE)`);
  });
  return withDatabase(inject('serverUrl'), name);
}

/** The migrations in the repository, by their folders, in order. */
export async function namesInFolder(): Promise<string[]> {
  const entries = await readdir('prisma/migrations', { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
}

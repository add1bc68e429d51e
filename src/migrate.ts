import { parseArgs } from 'node:util';
import { migrate } from './database/migrate.ts';
import { admitServerRole } from './database/server-role.ts';
import { databaseUrlFaults } from './database-url.ts';
import { addEnvironmentFile } from './environment-file.ts';
import { serverRights } from './server-rights.ts';
import { StartError } from './start-error.ts';

/** `npm run migrate [-- --server-role NAME]`: brings the database in DATABASE_URL up to date. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { 'server-role': { type: 'string' } } });
  for (const note of addEnvironmentFile(process.env)) console.error(note);
  const url = process.env['DATABASE_URL'];
  if (!url) {
    throw new StartError('DATABASE_URL is not set: the embedded database needs no migrate, it is migrated at start');
  }
  const faults = databaseUrlFaults(url);
  if (faults.length > 0) throw new StartError(faults.join('; '));
  const applied = await migrate(url, undefined, (sentence) => console.error(sentence));
  for (const name of applied) console.log(`applied ${name}`);
  if (applied.length === 0) console.log('nothing to apply');
  const serverRole = values['server-role'];
  if (serverRole === undefined) return;
  const hasSettings = await admitServerRole(url, serverRole, serverRights);
  const rest = hasSettings ? '' : `, once it has given itself its settings: run npm run migrate as ${serverRole} too`;
  console.log(`role ${serverRole} may run the server${rest}`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

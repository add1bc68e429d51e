import { Command } from '@commander-js/extra-typings';
import { migrate } from './database/migrate.ts';
import { reasonOf } from './database/reasons.ts';
import { admitServerRole } from './database/server-role.ts';
import { databaseUrlFaults, withoutAliases } from './database/url.ts';
import { StartError } from './errors.ts';
import { serverRights } from './operator/server-rights.statements.ts';
import { addEnvironmentFile } from './process/environment-file.ts';

const command = new Command('migrate')
  .description(
    'Brings the database in DATABASE_URL up to date, and gives the role in it its settings. Servers of the release before ' +
      'go on meanwhile. The embedded database is migrated by the server, at start.',
  )
  .option('--server-role <name>', 'also lets this role, which owns nothing, run the server, and do nothing else')
  .configureOutput({ outputError: (text, write) => write(`${text.trim().replaceAll('\n', ' ')}\n`) })
  .addHelpText(
    'after',
    `
Examples:
  DATABASE_URL=postgresql://agents_owner:…@host/interview_agents npm run migrate -- --server-role agents_server
  DATABASE_URL=postgresql://agents_server:…@host/interview_agents npm run migrate`,
  );

async function main(): Promise<void> {
  const { serverRole } = command.parse().opts();
  for (const note of addEnvironmentFile(process.env)) console.error(note);
  const given = process.env['DATABASE_URL'];
  if (!given) {
    throw new StartError('DATABASE_URL is not set: the embedded database needs no migrate, it is migrated at start');
  }
  const faults = databaseUrlFaults(given);
  if (faults.length > 0) throw new StartError(faults.join('; '));
  const url = withoutAliases(given);
  const applied = await migrate(url, undefined, (sentence) => console.error(sentence));
  for (const name of applied) console.log(`applied ${name}`);
  if (applied.length === 0) {
    console.log('nothing to apply: the database is up to date, and the role in DATABASE_URL has its settings');
  }
  if (serverRole === undefined) return;
  const hasSettings = await admitServerRole(url, serverRole, serverRights);
  const rest = hasSettings ? '' : `, once it has given itself its settings: run npm run migrate as ${serverRole} too`;
  console.log(`role ${serverRole} may run the server${rest}`);
}

try {
  await main();
} catch (error) {
  console.error(reasonOf(error) ?? (error instanceof Error ? error.message : error));
  process.exitCode = 1;
}

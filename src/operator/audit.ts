import type { Writable } from 'node:stream';
import type { Command } from '@commander-js/extra-typings';
import { auditEntries } from '../audit/repository.ts';
import { entries, time, uuid } from './arguments.ts';
import { commandOf, examples, ofCompany } from './command.ts';
import type { Print } from './output.ts';

export function auditCommands(audit: Command, print: Print, stderr: Writable) {
  audit.description('who did what, and when').addHelpText(...examples('audit list --limit 20'));
  commandOf(
    audit,
    'list',
    'commands of operators, deletions and versions of agents, changes of webhook endpoints, and keys that moved to a new ' +
      'secret, the newest first',
    '--limit 20',
    `${ofCompany} --since 2030-01-31`,
  )
    .option('--company <id>', 'of a company', uuid)
    .option('--key <id>', 'by a key, or done to it', uuid)
    .option('--agent <id>', 'of an agent', uuid)
    .option('--since <iso>', 'from a time on, like 2030-01-31T12:00:00Z', time)
    .option('--until <iso>', 'until before a time', time)
    .option('--limit <n>', 'how many at most', entries, 100)
    .action(({ limit, ...filter }) =>
      print(async ({ database }) => {
        const found = await auditEntries(database, filter, limit);
        if (found.length === limit) {
          stderr.write(`these are the newest ${limit}, there may be older ones: raise --limit, or add --until\n`);
        }
        return found;
      }),
    );
}

import type { Writable } from 'node:stream';
import type { Command } from '@commander-js/extra-typings';
import { auditEntries } from '../audit/repository.ts';
import { entries, time, uuid } from './arguments.ts';
import { examples } from './examples.ts';
import type { Print } from './output.ts';

export function auditCommands(audit: Command, print: Print, stderr: Writable) {
  audit.description('who did what, and when').addHelpText(...examples('audit list --limit 20'));
  audit
    .command('list')
    .description(
      'commands of operators, deletions and versions of agents, changes of webhook endpoints, and keys that moved to a new ' +
        'secret, the newest first',
    )
    .option('--company <id>', 'of a company', uuid)
    .option('--key <id>', 'by a key, or done to it', uuid)
    .option('--agent <id>', 'of an agent', uuid)
    .option('--since <iso>', 'from a time on, like 2030-01-31T12:00:00Z', time)
    .option('--until <iso>', 'until before a time', time)
    .option('--limit <n>', 'how many at most', entries, 100)
    .addHelpText(
      ...examples(
        'audit list --limit 20',
        'audit list --company 0c1a8f0e-5d0e-4f6c-8a37-2f5f3f1f7c22 --since 2030-01-31',
      ),
    )
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

import { Command } from '@commander-js/extra-typings';
import { entries, time, uuid } from './arguments.ts';
import type { Print } from './services.ts';

export function auditCommand(print: Print) {
  const audit = new Command('audit').description('who did what, and when');
  audit
    .command('list')
    .description('commands of operators, deletions and versions of agents, the newest first')
    .option('--company <id>', 'of a company', uuid)
    .option('--key <id>', 'by a key, or done to it', uuid)
    .option('--agent <id>', 'of an agent', uuid)
    .option('--since <iso>', 'from a time on, like 2030-01-31T12:00:00Z', time)
    .option('--until <iso>', 'until before a time', time)
    .option('--limit <n>', 'how many at most', entries, 100)
    .action(({ limit, ...filter }) => print(({ audit }) => audit.list(filter, limit)));
  return audit;
}

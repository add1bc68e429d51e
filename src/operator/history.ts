import type { Command } from '@commander-js/extra-typings';
import { pruneHistory } from '../agents/history/prune.repository.ts';
import { days, versions } from './arguments.ts';
import { commandOf, examples } from './command.ts';
import type { Print } from './output.ts';

export function historyCommands(history: Command, print: Print) {
  history.description('the history of agents').addHelpText(...examples('history prune --older-than 365 --keep 10'));
  commandOf(
    history,
    'prune',
    'remove old versions of living agents for good; never the current one, and none that another one still needs to be ' +
      'read. Servers can run meanwhile. After an interruption, run it again',
    '--older-than 365',
    '--older-than 90 --keep 10',
  )
    .requiredOption('--older-than <days>', 'versions older than this number of days', days)
    .option('--keep <n>', 'how many of the last versions of each agent stay in any case', versions, 1)
    .action(({ olderThan, keep }) =>
      print(async ({ database, operator, requireOwnRelease }) => {
        await requireOwnRelease();
        return await pruneHistory(database, olderThan, keep, operator);
      }),
    );
}

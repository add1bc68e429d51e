import type { Writable } from 'node:stream';
import { Command } from '@commander-js/extra-typings';
import { withoutKeys } from '../auth/api-key.ts';
import type { Config } from '../config.ts';
import { commandReasonOf } from '../database/reasons.ts';
import { agentCommands } from './agents.ts';
import { auditCommands } from './audit.ts';
import { examples } from './command.ts';
import { companyCommands, integrationCommands, phoneNumberCommands } from './companies.ts';
import { historyCommands } from './history.ts';
import { keyCommands } from './keys.ts';
import { printer } from './output.ts';
import { webhookCommands } from './webhooks.ts';

/** The streams of a process. */
interface Streams {
  readonly stdin: AsyncIterable<unknown>;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** The one line that is printed when a command fails. API keys in the message are replaced. */
export function failureOf(error: unknown): string {
  const reason = commandReasonOf(error) ?? (error instanceof Error ? error.message : String(error));
  return `error: ${withoutKeys(reason).replaceAll('\n', ' ')}`;
}

/**
 * The operator's command line, one group of commands for each kind of object.
 * @param readConfiguration called when a command runs
 */
export function operatorProgram(readConfiguration: () => Config, { stdin, stdout, stderr }: Streams) {
  const { print, printLines } = printer(readConfiguration, stdout);
  const program = new Command('admin')
    .description(
      'The operator’s command line. It works on DATABASE_URL or, without it, on the embedded database in DATA_DIR; prints ' +
        'one JSON value on stdout, and on stderr, in one line, why it failed, or a warning. `admin GROUP --help` has the ' +
        'commands of a group, `admin GROUP COMMAND --help` the options of a command.',
    )
    .addHelpText(...examples("company create --name 'Our company'", 'key create --help', 'audit list --limit 20'))
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      // An error is printed on one line, with commander's suggestion; an argument in it may be an API key.
      outputError: (text, write) => write(`${withoutKeys(text).trim().replaceAll('\n', ' ')}\n`),
    });
  // Groups and their commands inherit the output configuration.
  companyCommands(program.command('company'), print, printLines);
  integrationCommands(program.command('integration'), print);
  keyCommands(program.command('key'), print, stdin);
  phoneNumberCommands(program.command('phone-number'), print);
  agentCommands(program.command('agent'), print);
  historyCommands(program.command('history'), print);
  webhookCommands(program.command('webhook'), print);
  auditCommands(program.command('audit'), print, stderr);
  return program;
}

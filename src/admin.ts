import { Command } from '@commander-js/extra-typings';
import { readConfig } from './config.ts';
import { addEnvironmentFile } from './environment-file.ts';
import { agentCommand } from './operator/agents.ts';
import { auditCommand } from './operator/audit.ts';
import { companyCommand, integrationCommand, phoneNumberCommand } from './operator/companies.ts';
import { keyCommand } from './operator/keys.ts';
import { printer } from './operator/services.ts';

const print = printer(() => {
  for (const note of addEnvironmentFile(process.env)) console.error(note);
  return readConfig(process.env);
});

const program = new Command('admin').description(
  'The operator’s command line: prints one JSON value on stdout, messages on stderr.',
);
for (const command of [
  companyCommand(print),
  integrationCommand(print),
  keyCommand(print),
  phoneNumberCommand(print),
  agentCommand(print),
  auditCommand(print),
]) {
  program.addCommand(command);
}
// A reason is one line, its suggestion included.
for (const command of program.commands.flatMap((group) => [group, ...group.commands])) {
  command.configureOutput({ outputError: (text, write) => write(`${text.trim().replaceAll('\n', ' ')}\n`) });
}

program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof Error ? `error: ${error.message}` : error);
  process.exit(1);
});

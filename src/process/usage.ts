import { Command } from '@commander-js/extra-typings';
import { environmentSchema } from '../config.ts';

/** A variable in the help text: its name, what it is for, and its default. */
function variable([name, { description = '', default: value }]: [string, { description?: string; default?: unknown }]) {
  return `  ${name}\n      ${description}${value === undefined ? '' : ` (${value})`}`;
}

/** The server's only option is `--help`; any other argument ends the process with a message. */
export function readServerArguments(): void {
  new Command('server')
    .description('Serves the agents API. It is set up by the environment, or by a file .env in the current folder.')
    .configureOutput({ outputError: (text, write) => write(`${text.trim().replaceAll('\n', ' ')}\n`) })
    .addHelpText(
      'after',
      `
Variables:
${Object.entries(environmentSchema.properties).map(variable).join('\n')}

Examples:
  node dist/server.js
  PORT=8080 LOG_LEVEL=warn node dist/server.js
  NODE_ENV=production DATABASE_URL=postgresql://… API_KEY_SECRET=… node dist/server.js`,
    )
    .parse();
}

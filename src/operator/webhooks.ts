import type { Command } from '@commander-js/extra-typings';
import { uuid } from './arguments.ts';
import { commandOf, examples, ofCompany, ownerOf, withOwner } from './command.ts';
import type { Print } from './output.ts';

/** An option in the examples of the help text. */
const ofEndpoint = '--id 0c1a8f0e-5d0e-4f6c-8a37-2f5f3f1f7c22';

export function webhookCommands(webhook: Command, print: Print) {
  webhook
    .description('webhook endpoints of companies and integrations')
    .addHelpText(...examples(`webhook list ${ofCompany}`));
  withOwner(webhook, 'list', 'the endpoints of an owner, the oldest first, without their secrets', ofCompany).action(
    (options, command) => {
      const owner = ownerOf(options, command);
      return print(async ({ companies, webhooks }) => webhooks.list(await companies.requireOwner(owner)));
    },
  );
  commandOf(webhook, 'disable', 'stop deliveries to an endpoint until it is enabled', ofEndpoint)
    .requiredOption('--id <id>', 'the endpoint', uuid)
    .action(({ id }) => print(({ webhooks }) => webhooks.disable(id)));
  commandOf(webhook, 'enable', 'enable an endpoint again; its waiting events are sent', ofEndpoint)
    .requiredOption('--id <id>', 'the endpoint', uuid)
    .action(({ id }) => print(({ webhooks }) => webhooks.enable(id)));
}

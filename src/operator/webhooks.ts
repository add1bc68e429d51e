import { type Command, Option } from '@commander-js/extra-typings';
import { uuid } from './arguments.ts';
import { examples } from './examples.ts';
import { ownerOf } from './keys.ts';
import type { Print } from './output.ts';

const anId = '0c1a8f0e-5d0e-4f6c-8a37-2f5f3f1f7c22';

export function webhookCommands(webhook: Command, print: Print) {
  webhook
    .description('webhook endpoints of companies and integrations')
    .addHelpText(...examples(`webhook list --company ${anId}`));
  webhook
    .command('list')
    .description('the endpoints of an owner, the oldest first, without their secrets')
    .addOption(new Option('--company <id>', 'of a company').argParser(uuid).conflicts('integration'))
    .addOption(new Option('--integration <id>', 'or of an integration').argParser(uuid))
    .addHelpText(...examples(`webhook list --company ${anId}`))
    .action((options, command) => {
      const owner = ownerOf(options, command);
      return print(async ({ companies, webhooks }) => webhooks.list(await companies.requireOwner(owner)));
    });
  webhook
    .command('disable')
    .description('stop deliveries to an endpoint until it is enabled')
    .requiredOption('--id <id>', 'the endpoint', uuid)
    .addHelpText(...examples(`webhook disable --id ${anId}`))
    .action(({ id }) => print(({ webhooks }) => webhooks.disable(id)));
  webhook
    .command('enable')
    .description('enable an endpoint again; its waiting events are sent')
    .requiredOption('--id <id>', 'the endpoint', uuid)
    .addHelpText(...examples(`webhook enable --id ${anId}`))
    .action(({ id }) => print(({ webhooks }) => webhooks.enable(id)));
}

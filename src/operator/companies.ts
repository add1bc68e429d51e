import type { Command } from '@commander-js/extra-typings';
import { eraseCompany } from '../companies/erase.repository.ts';
import { companyLines } from '../companies/export.repository.ts';
import { e164, filled, uuid } from './arguments.ts';
import { examples } from './examples.ts';
import type { Print, PrintLines } from './output.ts';

/** The company id in the examples of the help text. */
const id = '0c1a8f0e-5d0e-4f6c-8a37-2f5f3f1f7c22';

export function companyCommands(company: Command, print: Print, printLines: PrintLines) {
  company
    .description('companies, which own agents')
    .addHelpText(...examples("company create --name 'Our company'", 'company list'));
  company
    .command('create')
    .description('make a company')
    .requiredOption('--name <text>', 'its name', filled)
    .addHelpText(...examples("company create --name 'Our company'"))
    .action(({ name }) => print(({ companies }) => companies.createCompany(name)));
  company
    .command('list')
    .description('all companies, the oldest first')
    .addHelpText(...examples('company list'))
    .action(() => print(({ companies }) => companies.listCompanies()));
  company
    .command('rename')
    .description('give a company another name')
    .requiredOption('--company <id>', 'the company', uuid)
    .requiredOption('--name <text>', 'its new name', filled)
    .addHelpText(...examples(`company rename --company ${id} --name 'Our new name'`))
    .action(({ company: of, name }) => print(({ companies }) => companies.renameCompany(of, name)));
  company
    .command('export')
    .description(
      'print all that belongs to a company, as JSON lines: the company, its phone numbers, its grants, its keys and ' +
        'webhook endpoints without secrets, its agents with all of their versions, its audit entries. `record` says what a ' +
        'line is',
    )
    .requiredOption('--company <id>', 'the company', uuid)
    .addHelpText(...examples(`company export --company ${id} > company.jsonl`))
    .action((of) =>
      printLines(async function* ({ database, operator, requireOwnRelease }) {
        await requireOwnRelease();
        yield* companyLines(database, of.company, operator);
      }),
    );
  company
    .command('erase')
    .description(
      'erase a company for good: its agents with their history, its phone numbers, keys, grants, webhook endpoints and ' +
        'kept answers. Audit entries stay. None of its keys may be active. Servers can run meanwhile. After an interruption, run it again',
    )
    .requiredOption('--company <id>', 'the company', uuid)
    .requiredOption('--confirm <name>', 'its name, letter for letter, to show that it is the right one')
    .addHelpText(...examples(`company erase --company ${id} --confirm 'Our company'`))
    .action(({ company: of, confirm }) =>
      print(async ({ database, operator, requireOwnRelease }) => {
        await requireOwnRelease();
        return await eraseCompany(database, of, confirm, operator);
      }),
    );
}

export function integrationCommands(integration: Command, print: Print) {
  const pair = `--integration 7d1b4c1e-7a55-4c37-9d0c-6a0f7e0b9a10 --company ${id}`;
  integration
    .description('integrations (ATS), which act for companies')
    .addHelpText(...examples("integration create --name 'Our ATS'", `integration grant ${pair}`));
  integration
    .command('create')
    .description('make an integration')
    .requiredOption('--name <text>', 'its name', filled)
    .addHelpText(...examples("integration create --name 'Our ATS'"))
    .action(({ name }) => print(({ companies }) => companies.createIntegration(name)));
  integration
    .command('list')
    .description('all integrations, the oldest first')
    .addHelpText(...examples('integration list'))
    .action(() => print(({ companies }) => companies.listIntegrations()));
  integration
    .command('grant')
    .description('let an integration act for a company, from its next request on')
    .requiredOption('--integration <id>', 'the integration', uuid)
    .requiredOption('--company <id>', 'the company', uuid)
    .addHelpText(...examples(`integration grant ${pair}`))
    .action((of) => print(({ companies }) => companies.grant(of.integration, of.company)));
  integration
    .command('revoke')
    .description('take a company from an integration, from its next request on')
    .requiredOption('--integration <id>', 'the integration', uuid)
    .requiredOption('--company <id>', 'the company', uuid)
    .addHelpText(...examples(`integration revoke ${pair}`))
    .action((of) => print(({ companies }) => companies.revoke(of.integration, of.company)));
}

export function phoneNumberCommands(phoneNumber: Command, print: Print) {
  phoneNumber
    .description('phone numbers of companies')
    .addHelpText(...examples(`phone-number add --company ${id} --number +12025550123`));
  phoneNumber
    .command('add')
    .description('give a company a number, which no company has yet')
    .requiredOption('--company <id>', 'the company', uuid)
    .requiredOption('--number <e164>', 'the number, like +12025550123', e164)
    .addHelpText(...examples(`phone-number add --company ${id} --number +12025550123`))
    .action(({ company, number }) => print(({ companies }) => companies.addPhoneNumber(company, number)));
  phoneNumber
    .command('deactivate')
    .description('end the use of a number; agents that have it keep it')
    .requiredOption('--id <id>', 'the id of the number', uuid)
    .addHelpText(...examples('phone-number deactivate --id 2f8f9c1d-3f0c-4f5e-a6de-0f5b3d1c9e44'))
    .action((of) => print(({ companies }) => companies.deactivatePhoneNumber(of.id)));
  phoneNumber
    .command('list')
    .description('the numbers of a company, the oldest first')
    .requiredOption('--company <id>', 'the company', uuid)
    .addHelpText(...examples(`phone-number list --company ${id}`))
    .action(({ company }) => print(({ companies }) => companies.listPhoneNumbers(company)));
}

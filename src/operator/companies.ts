import type { Command } from '@commander-js/extra-typings';
import { eraseCompany } from '../companies/erase.repository.ts';
import { companyLines } from '../companies/export.repository.ts';
import { e164, filled, uuid } from './arguments.ts';
import { commandOf, examples, ofCompany } from './command.ts';
import type { Print, PrintLines } from './output.ts';

/** Options in the examples of the help text. */
const ofNumber = '--id 2f8f9c1d-3f0c-4f5e-a6de-0f5b3d1c9e44';
const newNumber = `${ofCompany} --number +12025550123`;

export function companyCommands(company: Command, print: Print, printLines: PrintLines) {
  company
    .description('companies, which own agents')
    .addHelpText(...examples("company create --name 'Our company'", 'company list'));
  commandOf(company, 'create', 'make a company', "--name 'Our company'")
    .requiredOption('--name <text>', 'its name', filled)
    .action(({ name }) => print(({ companies }) => companies.createCompany(name)));
  commandOf(company, 'list', 'all companies, the oldest first').action(() =>
    print(({ companies }) => companies.listCompanies()),
  );
  commandOf(company, 'rename', 'give a company another name', `${ofCompany} --name 'Our new name'`)
    .requiredOption('--company <id>', 'the company', uuid)
    .requiredOption('--name <text>', 'its new name', filled)
    .action(({ company: id, name }) => print(({ companies }) => companies.renameCompany(id, name)));
  commandOf(
    company,
    'export',
    'print all that belongs to a company, as JSON lines: the company, its phone numbers, its grants, its keys and ' +
      'webhook endpoints without secrets, its agents with all of their versions, its audit entries. `record` says what a ' +
      'line is',
    `${ofCompany} > company.jsonl`,
  )
    .requiredOption('--company <id>', 'the company', uuid)
    .action((options) =>
      printLines(async function* ({ database, operator, requireOwnRelease }) {
        await requireOwnRelease();
        yield* companyLines(database, options.company, operator);
      }),
    );
  commandOf(
    company,
    'erase',
    'erase a company for good: its agents with their history, its phone numbers, keys, grants, webhook endpoints and ' +
      'kept answers. Audit entries stay. None of its keys may be active. Servers can run meanwhile. After an interruption, run it again',
    `${ofCompany} --confirm 'Our company'`,
  )
    .requiredOption('--company <id>', 'the company', uuid)
    .requiredOption('--confirm <name>', 'its name, letter for letter, to show that it is the right one')
    .action(({ company: id, confirm }) =>
      print(async ({ database, operator, requireOwnRelease }) => {
        await requireOwnRelease();
        return await eraseCompany(database, id, confirm, operator);
      }),
    );
}

export function integrationCommands(integration: Command, print: Print) {
  const pair = `--integration 7d1b4c1e-7a55-4c37-9d0c-6a0f7e0b9a10 ${ofCompany}`;
  integration
    .description('integrations (ATS), which act for companies')
    .addHelpText(...examples("integration create --name 'Our ATS'", `integration grant ${pair}`));
  commandOf(integration, 'create', 'make an integration', "--name 'Our ATS'")
    .requiredOption('--name <text>', 'its name', filled)
    .action(({ name }) => print(({ companies }) => companies.createIntegration(name)));
  commandOf(integration, 'list', 'all integrations, the oldest first').action(() =>
    print(({ companies }) => companies.listIntegrations()),
  );
  commandOf(integration, 'grant', 'let an integration act for a company, from its next request on', pair)
    .requiredOption('--integration <id>', 'the integration', uuid)
    .requiredOption('--company <id>', 'the company', uuid)
    .action((options) => print(({ companies }) => companies.grant(options.integration, options.company)));
  commandOf(integration, 'revoke', 'take a company from an integration, from its next request on', pair)
    .requiredOption('--integration <id>', 'the integration', uuid)
    .requiredOption('--company <id>', 'the company', uuid)
    .action((options) => print(({ companies }) => companies.revoke(options.integration, options.company)));
}

export function phoneNumberCommands(phoneNumber: Command, print: Print) {
  phoneNumber.description('phone numbers of companies').addHelpText(...examples(`phone-number add ${newNumber}`));
  commandOf(phoneNumber, 'add', 'give a company a number that is not active for any company', newNumber)
    .requiredOption('--company <id>', 'the company', uuid)
    .requiredOption('--number <e164>', 'the number, like +12025550123', e164)
    .action(({ company, number }) => print(({ companies }) => companies.addPhoneNumber(company, number)));
  commandOf(phoneNumber, 'deactivate', 'end the use of a number; agents that have it keep it', ofNumber)
    .requiredOption('--id <id>', 'the id of the number', uuid)
    .action((options) => print(({ companies }) => companies.deactivatePhoneNumber(options.id)));
  commandOf(phoneNumber, 'list', 'the numbers of a company, the oldest first', ofCompany)
    .requiredOption('--company <id>', 'the company', uuid)
    .action(({ company }) => print(({ companies }) => companies.listPhoneNumbers(company)));
}

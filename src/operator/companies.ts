import { Command } from '@commander-js/extra-typings';
import { e164, filled, uuid } from './arguments.ts';
import type { Print } from './services.ts';

export function companyCommand(print: Print) {
  const company = new Command('company').description('companies, which own agents');
  company
    .command('create')
    .description('make a company')
    .requiredOption('--name <text>', 'its name', filled)
    .action(({ name }) => print(({ companies }) => companies.createCompany(name)));
  company
    .command('list')
    .description('all companies, the oldest first')
    .action(() => print(({ companies }) => companies.listCompanies()));
  return company;
}

export function integrationCommand(print: Print) {
  const integration = new Command('integration').description('integrations (ATS), which act for companies');
  integration
    .command('create')
    .description('make an integration')
    .requiredOption('--name <text>', 'its name', filled)
    .action(({ name }) => print(({ companies }) => companies.createIntegration(name)));
  integration
    .command('list')
    .description('all integrations, the oldest first')
    .action(() => print(({ companies }) => companies.listIntegrations()));
  integration
    .command('grant')
    .description('let an integration act for a company, from its next request on')
    .requiredOption('--integration <id>', 'the integration', uuid)
    .requiredOption('--company <id>', 'the company', uuid)
    .action((pair) => print(({ companies }) => companies.grant(pair.integration, pair.company)));
  integration
    .command('revoke')
    .description('take a company from an integration, from its next request on')
    .requiredOption('--integration <id>', 'the integration', uuid)
    .requiredOption('--company <id>', 'the company', uuid)
    .action((pair) => print(({ companies }) => companies.revoke(pair.integration, pair.company)));
  return integration;
}

export function phoneNumberCommand(print: Print) {
  const phoneNumber = new Command('phone-number').description('phone numbers of companies');
  phoneNumber
    .command('add')
    .description('give a company a number')
    .requiredOption('--company <id>', 'the company', uuid)
    .requiredOption('--number <e164>', 'the number, like +12025550123', e164)
    .action(({ company, number }) => print(({ companies }) => companies.addPhoneNumber(company, number)));
  phoneNumber
    .command('deactivate')
    .description('end the use of a number; agents that have it keep it')
    .requiredOption('--id <id>', 'the id of the number', uuid)
    .action(({ id }) => print(({ companies }) => companies.deactivatePhoneNumber(id)));
  phoneNumber
    .command('list')
    .description('the numbers of a company, the oldest first')
    .requiredOption('--company <id>', 'the company', uuid)
    .action(({ company }) => print(({ companies }) => companies.listPhoneNumbers(company)));
  return phoneNumber;
}

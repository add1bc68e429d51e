import { type Command, Option } from '@commander-js/extra-typings';
import { uuid } from './arguments.ts';

/** The arguments of `addHelpText` for the section "Examples" at the end of a help text: command lines to copy. */
export const examples = (...commands: readonly string[]) =>
  ['after', `\nExamples:\n${commands.map((command) => `  npm run --silent admin -- ${command}\n`).join('')}`] as const;

/**
 * Adds a command to a group, with examples at the end of its help text.
 * @param first the options of the first example; `others` are those of further examples
 */
export function commandOf(group: Command, name: string, description: string, first = '', ...others: readonly string[]) {
  const lines = [first, ...others].map((options) => `${group.name()} ${name} ${options}`.trimEnd());
  return group
    .command(name)
    .description(description)
    .addHelpText(...examples(...lines));
}

interface GivenOwner {
  readonly company?: string | undefined;
  readonly integration?: string | undefined;
}

/** Like `commandOf`; the command has an owner, which `ownerOf` reads. */
export const withOwner = (...given: Parameters<typeof commandOf>) =>
  commandOf(...given)
    .addOption(new Option('--company <id>', 'of a company').argParser(uuid).conflicts('integration'))
    .addOption(new Option('--integration <id>', 'or of an integration').argParser(uuid));

/** @param more what the command takes instead of an owner, for the message */
export function ownerOf({ company, integration }: GivenOwner, command: { error(message: string): never }, more = '') {
  if (company === undefined && integration === undefined) {
    command.error(`error: one of the options '--company <id>' and '--integration <id>'${more} is required`);
  }
  return { companyId: company ?? null, integrationId: integration ?? null };
}

/** The option of a company in the examples. */
export const ofCompany = '--company 0c1a8f0e-5d0e-4f6c-8a37-2f5f3f1f7c22';

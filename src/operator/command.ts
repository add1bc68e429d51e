import type { Command } from '@commander-js/extra-typings';

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

/** The option of a company in the examples. */
export const ofCompany = '--company 0c1a8f0e-5d0e-4f6c-8a37-2f5f3f1f7c22';

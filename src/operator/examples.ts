/** The arguments of `addHelpText` for the section "Examples" at the end of a help text: command lines to copy. */
export const examples = (...commands: readonly string[]) =>
  ['after', `\nExamples:\n${commands.map((command) => `  npm run --silent admin -- ${command}\n`).join('')}`] as const;

/** The section "Examples" at the end of a help text: command lines to copy. */
export const examples = (...commands: readonly string[]) =>
  `\nExamples:\n${commands.map((command) => `  npm run --silent admin -- ${command}\n`).join('')}`;

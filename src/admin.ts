import { readConfig } from './config.ts';
import { addEnvironmentFile } from './environment-file.ts';
import { failureOf, operatorProgram } from './operator/program.ts';

const program = operatorProgram(() => {
  for (const note of addEnvironmentFile(process.env)) console.error(note);
  return readConfig(process.env);
}, process);

program.parseAsync().catch((error: unknown) => {
  console.error(failureOf(error));
  process.exit(1);
});

import { readConfig } from './config.ts';
import { failureOf, operatorProgram } from './operator/program.ts';
import { addEnvironmentFile } from './process/environment-file.ts';

const program = operatorProgram(() => {
  for (const note of addEnvironmentFile(process.env)) console.error(note);
  return readConfig(process.env, 'operator');
}, process);

program.parseAsync().catch((error: unknown) => {
  console.error(failureOf(error));
  process.exit(1);
});

import { addEnvironmentFile, readConfig } from './config.ts';
import { failureOf, operatorProgram } from './operator/program.ts';

const program = operatorProgram(() => {
  addEnvironmentFile();
  return readConfig(process.env);
}, process);

program.parseAsync().catch((error: unknown) => {
  console.error(failureOf(error));
  process.exit(1);
});

import { basename, dirname } from 'node:path';
import type { Rule } from './source.ts';

const wordsOf = (name: string) => name.replace(/\.ts$/, '').split(/[.-]/);
const singular = (word: string) => word.replace(/ies$/, 'y').replace(/s$/, '');

/** Rules for the names and the length of files. */
export const nameRules: readonly Rule[] = [
  {
    says: 'No barrel files',
    breaches: (files) =>
      files
        .filter(
          ({ name, lines }) => basename(name) === 'index.ts' || /^export (\*|\{[^}]*\} from)/m.test(lines.join('\n')),
        )
        .map(({ name }) => name),
    caught: [
      { 'src/agents/all.ts': "export * from './service.ts';" },
      { 'src/agents/all.ts': "export { agentService } from './service.ts';" },
      { 'src/agents/all.ts': "export {\n  agentService,\n} from './service.ts';" },
      { 'src/agents/index.ts': '' },
    ],
    kept: [{ 'src/agents/service.ts': "import { record } from './fields.ts';\nexport const service = record;" }],
  },
  {
    says: 'No `utils`, `helpers`, `common` or `types`',
    breaches: (files) =>
      files
        .filter(({ name }) =>
          name
            .split('/')
            .flatMap(wordsOf)
            .some((word) => /^(utils?|helpers?|common|types?)$/.test(word)),
        )
        .map(({ name }) => name),
    caught: [{ 'src/agents/agent-utils.ts': '' }, { 'src/common/text.ts': '' }, { 'src/agents/types.ts': '' }],
    kept: [{ 'src/agents/service.ts': '' }],
  },
  {
    says: "A file does not repeat its folder's name",
    breaches: (files) =>
      files
        .filter(({ name }) => {
          const folder = basename(dirname(name));
          return folder !== 'src' && wordsOf(basename(name)).map(singular).includes(singular(folder));
        })
        .map(({ name }) => name),
    caught: [
      { 'src/agents/agent.service.ts': '' },
      { 'src/companies/company-list.ts': '' },
      { 'src/openapi/openapi.ts': '' },
    ],
    kept: [{ 'src/agents/service.ts': '' }, { 'src/openapi/document.ts': '' }],
  },
  {
    says: 'The root of `src/` has the programs, `app.ts`, `config.ts` and `errors.ts` alone',
    breaches: (files) =>
      files
        .map(({ name }) => name)
        .filter(
          (name) => /^src\/[^/]+$/.test(name) && !/^src\/(server|admin|migrate|app|config|errors)\.ts$/.test(name),
        ),
    caught: [{ 'src/logger.ts': '' }],
    kept: [{ 'src/server.ts': '', 'src/process/assemble.ts': '' }],
  },
  {
    says: 'Files have at most 200 lines',
    breaches: (files) =>
      files.flatMap(({ name, lines }) => (lines.length > 201 ? [`${name}: ${lines.length - 1} lines`] : [])),
    caught: [{ 'src/agents/long.ts': '\n'.repeat(201) }],
    kept: [{ 'src/agents/short.ts': '\n'.repeat(200) }],
  },
];
